"use strict";
// The page of a batch: filters, search, order, and the large view with one 3D viewer that is loaded on demand.
(() => {
  const $ = (id) => document.getElementById(id);
  const VIEWER = "index_files/model-viewer.min.js";
  const START = "25deg 85deg 105%";
  const list = $("cards"), dialog = $("large"), stage = $("stage");
  const cards = [...list.children];
  const order = new Map(cards.map((card, index) => [card, index]));
  const state = { f: "", q: "", s: "", d: "" };
  let shown = cards, current = null;

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // --- Filters, search, order -------------------------------------------------------------------------------

  const matches = (card) =>
    (!state.f || card.dataset.v === state.f || (state.f === "failed" && card.dataset.p)) &&
    state.q.split(/\s+/).every((word) => card.dataset.q.includes(word));

  const compare = (a, b) => {
    const sign = state.d ? -1 : 1;
    let by = 0;
    if (state.s === "n") {
      by = a.dataset.q.localeCompare(b.dataset.q, undefined, { numeric: true });
    } else if (state.s) {
      const [x, y] = [a, b].map((card) => parseFloat(card.dataset[state.s]));
      // What has no figure comes last, in either direction.
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || order.get(a) - order.get(b);
      by = x - y;
    }
    return sign * (by || order.get(a) - order.get(b));
  };

  const update = (reorder) => {
    if (reorder) list.append(...cards.slice().sort(compare));
    shown = [...list.children].filter((card) => !(card.hidden = !matches(card)));
    $("shown").textContent =
      shown.length === cards.length ? "" :
      shown.length ? `Showing ${shown.length} of ${cards.length}.` : "Nothing fits: choose All, or another name.";
    for (const button of $("filters").children)
      button.setAttribute("aria-pressed", String(button.dataset.f === state.f));
    $("direction").textContent = state.d ? "↑" : "↓";
    $("direction").setAttribute("aria-pressed", String(Boolean(state.d)));
    remember();
  };

  // What is shown is kept in the address, so that it outlives a reload and can be handed on.
  const remember = () => {
    const kept = Object.entries(state).filter(([, value]) => value);
    if (current) kept.push(["h", current.querySelector("h2").title]);
    try {
      history.replaceState(null, "", kept.length ? "#" + new URLSearchParams(kept) : location.pathname + location.search);
    } catch (refused) {
      // Some browsers allow it for no page from disk: it is a convenience.
    }
  };

  const recall = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(state)) state[key] = kept.get(key) || "";
    if (![...$("filters").children].some((button) => button.dataset.f === state.f)) state.f = "";
    $("query").value = state.q;
    $("sort").value = state.s;
    if ($("sort").selectedIndex < 0) $("sort").value = state.s = "";
    const wanted = kept.get("h");
    update(true);
    const card = wanted && cards.find((one) => one.querySelector("h2").title === wanted);
    if (card && card.querySelector(".open")) open(card);
  };

  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state.f = button.dataset.f;
    update(false);
  });
  $("query").addEventListener("input", (event) => {
    state.q = event.target.value.trim().toLowerCase();
    update(false);
  });
  $("sort").addEventListener("change", (event) => {
    state.s = event.target.value;
    update(true);
  });
  $("direction").addEventListener("click", () => {
    state.d = state.d ? "" : "1";
    update(true);
  });

  // --- The 3D viewer ----------------------------------------------------------------------------------------

  let viewer = null, address = null;

  // view.js files call this; which of them it was, the script element knows.
  window.photobustView = (data) => {
    if (document.currentScript) document.currentScript.received = data;
  };

  const loadScript = (source) =>
    new Promise((resolve, reject) => {
      const script = make("script", { src: source });
      script.onload = () => { script.remove(); resolve(script.received); };
      script.onerror = () => { script.remove(); reject(new Error(source)); };
      document.head.append(script);
    });

  let webgl = false;
  const hasWebGL = () => {
    if (webgl) return true;
    try {
      const context = document.createElement("canvas").getContext("webgl2");
      context?.getExtension("WEBGL_lose_context")?.loseContext();
      webgl = Boolean(context);
    } catch (refused) {
      webgl = false;
    }
    return webgl;
  };

  const say = (words, busy = false) => {
    stage.querySelector(".message")?.remove();
    if (!words) return;
    const message = make("div", { className: busy ? "message busy" : "message" }, make("p", { textContent: words }));
    message.setAttribute("role", "status");
    const model = !busy && current?.querySelector(".open").dataset.model;
    if (model) message.append(make("p", {}, make("a", { href: model, textContent: "The model's own file" })));
    stage.append(message);
  };

  // Takes the model out of the viewer, and the viewer out of the page; it is kept for the next head.
  const release = () => {
    viewer?.remove();
    viewer?.removeAttribute("src");
    if (address?.startsWith("blob:")) URL.revokeObjectURL(address);
    address = null;
    stage.dataset.state = "";
    $("views").hidden = true;
    say("");
  };

  const makeViewer = () => {
    const made = make("model-viewer");
    const attributes = {
      "camera-controls": "", "camera-orbit": START, "min-camera-orbit": "auto 15deg auto", "max-camera-orbit": "auto 165deg auto",
      "interaction-prompt": "none", "touch-action": "pan-y", ...studioLight.attributes(),
    };
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    studioLight.follow(made);
    made.addEventListener("load", (event) => {
      if (!address || event.detail.url !== address) return;
      made.jumpCameraToGoal();
      say("");
      $("views").hidden = false;
      stage.dataset.state = "loaded";
    });
    made.addEventListener("error", () => {
      if (!address) return;
      release();
      viewer = null;
      say("The 3D model cannot be shown: the file is damaged, or the graphics gave up.");
    });
    return made;
  };

  const modelAddress = async (button) => {
    if (button.dataset.view) {
      let data;
      try {
        data = await loadScript(button.dataset.view);
      } catch (missing) {
        throw new Error("The 3D model is missing: there is no view.js in this head's folder any more.");
      }
      if (!data || typeof data.model !== "string")
        throw new Error("The 3D model is damaged: make this head's view.js again.");
      let bytes;
      try {
        bytes = Uint8Array.from(atob(data.model), (letter) => letter.charCodeAt(0));
      } catch (damaged) {
        throw new Error("The 3D model is damaged: make this head's view.js again.");
      }
      return URL.createObjectURL(new Blob([bytes], { type: "model/gltf-binary" }));
    }
    if (button.dataset.model && location.protocol !== "file:") return button.dataset.model;
    throw new Error(
      button.dataset.model
        ? "There is no light model of this head (view.js), and browsers show no others from disk."
        : "There is no 3D model of this head to show."
    );
  };

  const view = async (card) => {
    release();
    if (!hasWebGL()) {
      say("This browser has no WebGL, so it cannot show the head in 3D. Switch on hardware acceleration, or look at the pictures.");
      return;
    }
    say("Loading the 3D model …", true);
    let source = null;
    try {
      try {
        if (!customElements.get("model-viewer")) await loadScript(VIEWER);
      } catch (missing) {
        throw new Error("The viewer is missing: copy the folder index_files along with this page.");
      }
      source = await modelAddress(card.querySelector(".open"));
    } catch (error) {
      if (card === current) say(error.message);
      return;
    }
    if (card !== current || address) {  // closed or gone on meanwhile
      if (source.startsWith("blob:")) URL.revokeObjectURL(source);
      return;
    }
    address = source;
    viewer ??= makeViewer();
    viewer.setAttribute("alt", `3D model of ${card.querySelector("h2").textContent}`);
    viewer.setAttribute("src", source);
    stage.append(viewer);
  };

  const turn = (sideways, closer = 1) => {
    if (stage.dataset.state !== "loaded") return;
    const orbit = viewer.getCameraOrbit();
    viewer.cameraOrbit = `${orbit.theta + sideways}rad ${orbit.phi}rad ${orbit.radius * closer}m`;
  };

  $("views").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || !viewer) return;
    // A full turn more or less is the same view: take the short way.
    const theta = viewer.getCameraOrbit().theta, wanted = (button.dataset.orbit * Math.PI) / 180;
    const short = wanted + 2 * Math.PI * Math.round((theta - wanted) / (2 * Math.PI));
    viewer.cameraOrbit = `${short}rad 85deg 105%`;
  });

  // --- The large view ---------------------------------------------------------------------------------------

  const picture = (source, alt, wide) =>
    make(
      "figure", { className: wide ? "wide" : "" },
      make("a", { href: source, target: "_blank", title: "Full size" }, make("img", { src: source, alt, decoding: "async" })),
      make("figcaption", { textContent: alt })
    );

  const turntable = (frames) => {
    const image = make("img", { src: frames[0], alt: "The head on a turntable" });
    const slider = make("input", { type: "range", min: 0, max: frames.length - 1, value: 0 });
    slider.setAttribute("aria-label", "Turn the turntable");
    slider.addEventListener("input", () => { image.src = frames[slider.value]; });
    return make("figure", { className: "turn" }, image, slider, make("figcaption", { textContent: "Turntable" }));
  };

  const pictures = (card, name) => {
    const links = [...card.querySelectorAll(".files a")];
    const named = (file) => links.find((link) => link.textContent === file)?.getAttribute("href");
    const found = [];
    if (named("preview.png")) found.push(picture(named("preview.png"), `Photo and views of ${name}`, true));
    for (const link of links) {
      const view = /^render_(.+)\.png$/.exec(link.textContent);
      const words = view && view[1].replace("threequarter", "three-quarter").replace(/_/g, " ");
      if (view) found.push(picture(link.getAttribute("href"), `Rendered: ${words}`));
    }
    const frames = card.querySelector("[data-frames]")?.dataset.frames.split(" ");
    if (named("turntable.mp4")) {
      const video = make("video", { src: named("turntable.mp4"), controls: true, loop: true, muted: true, playsInline: true, preload: "none" });
      if (frames) video.poster = frames[0];
      video.setAttribute("aria-label", `Turntable of ${name}`);
      found.push(make("figure", { className: "turn" }, video, make("figcaption", { textContent: "Turntable" })));
    } else if (frames) {
      found.push(turntable(frames));
    }
    if (!named("preview.png") && named("photo.png")) found.unshift(picture(named("photo.png"), `The photo of ${name}`));
    return found;
  };

  const fill = (card) => {
    const name = card.querySelector("h2").textContent;
    $("large-title").textContent = name;
    $("large-badge").replaceChildren(card.querySelector(".badge").cloneNode(true));
    const heads = shown.filter((one) => one.querySelector(".open"));
    const place = heads.indexOf(card);
    $("large-count").textContent = place < 0 ? "" : `${place + 1} of ${heads.length}`;
    $("previous").disabled = place <= 0;
    $("next").disabled = place < 0 || place === heads.length - 1;
    const copies = [...card.querySelectorAll(".line, .meta, .problem, .reasons, dl, .files")].map((part) => part.cloneNode(true));
    copies[0].querySelector(".badge").remove();
    $("side").replaceChildren(...copies);
    $("side").querySelector(".files")?.before(make("h3", { textContent: "Files" }));
    $("pictures").replaceChildren(...pictures(card, name));
  };

  const open = (card) => {
    current = card;
    fill(card);
    if (!dialog.open) {
      // From head to head the view stays, so that they can be compared; from the list it is the usual one.
      if (viewer) {
        viewer.cameraOrbit = START;
        viewer.requestUpdate("cameraOrbit", "");
      }
      dialog.showModal();
      $("large-title").focus();
    }
    $("large-body").scrollTop = 0;
    remember();
    view(card);
  };

  const step = (by) => {
    const heads = shown.filter((one) => one.querySelector(".open"));
    const next = heads[heads.indexOf(current) + by];
    if (next) open(next);
  };

  list.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) open(button.closest(".card"));
  });
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (dialog.open) return;  // the event comes late: another head is open already
    const button = current?.querySelector(".open");
    current = null;
    release();
    $("side").replaceChildren();
    $("pictures").replaceChildren();
    remember();
    // After previous and next it is another one than that which was clicked.
    button?.focus();
    button?.scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, video, textarea")) return;
    if (!dialog.open) {
      if (event.key === "/") {
        event.preventDefault();
        $("query").focus();
      }
      return;
    }
    const inViewer = event.target === viewer;  // which has arrow keys of its own
    const actions = {
      n: () => step(1), p: () => step(-1), "+": () => turn(0, 0.85), "=": () => turn(0, 0.85), "-": () => turn(0, 1.18),
      ...(inViewer ? {} : { ArrowLeft: () => turn(-0.26), ArrowRight: () => turn(0.26) }),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });

  recall();
  window.addEventListener("hashchange", () => { if (!dialog.open) recall(); });
})();
