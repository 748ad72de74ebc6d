from scripts.benchmark import addon as benchmark_addon
from scripts.benchmark import document as benchmark_document
from scripts.benchmark import engine
from scripts.benchmark.addon import BEGIN, END, AddonFigures

FIGURES = AddonFigures(
    version="3.4.1",
    runs=[4.0, 0.9, 1.0, 1.1],
    pauses=[0.05, 0.02, 0.03, 0.04],
    arrivals=[0.2, 0.1, 0.1, 0.1],
    imports=[0.12, 0.1, 0.1, 0.1],
    work=[0.01, 0.01, 0.01, 0.03],
    arrival_work=[0.15, 0.1, 0.1, 0.1],
    drawing=[0.2, 0.25],
    memory=[500_000_000, 600_000_000, 601_000_000, 602_000_000, 603_000_000],
    vertices=98_000,
)


def test_report_tells_cold_and_warm_apart():
    text = benchmark_addon.report(FIGURES, 0.5)
    assert "engine not running | 4.00 s" in text and "median of 3 | 1.00 s" in text
    assert "| 35, 50 ms | ≤ 100 ms |" in text and "| 100, 200 ms | ≤ 300 ms |" in text
    assert "in one go while the engine works: median, worst | 10, 30 ms" in text
    assert "only drawing the window anew | 225, 250 ms" in text
    assert "500, 600, 603 MB (+3 MB)" in text and "98,000 vertices" in text


def test_section_is_made_once_and_replaced(tmp_path, monkeypatch):
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# Benchmarks\n\n{engine.BEGIN}\nthe engine's\n{engine.END}\n", "utf-8")
    monkeypatch.setattr(benchmark_document, "DOCUMENT", document)
    for text in ("first", "second"):
        benchmark_addon.write(text)
    assert document.read_text("utf-8").endswith(f"## In Blender\n\n{BEGIN}\nsecond\n{END}\n")
    assert "the engine's" in document.read_text("utf-8")
