"""The browser that pages are measured in."""

#: As the tests start Chromium: without a window, and with WebGL in software.
CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1440,900"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
