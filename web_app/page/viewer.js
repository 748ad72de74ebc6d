// @ts-check
/** The 3D view: model-viewer, with expressions and ways of showing a model that it has no interface for. */

import { text } from "./texts.js";

const LIGHT = "static/studio_light.js";
const VIEWER = "static/model-viewer.min.js";
/** Where the view begins, degrees: to the side of the face, and down from above the head. */
const START_YAW = 25;
const PITCH = 85;
/** Vertical field of view, degrees, and how much larger than the head the view is. */
const FIELD_OF_VIEW = 30;
const MARGIN = 1.45;
/** How far above the head's middle the view's is, as a fraction of its height: hair and hats rise above it. */
const RAISE = 0.05;
/** How near and how far one can go, in distances of the start. */
const NEAREST = 0.25;
const FARTHEST = 2.5;
/** Slider -> the morph targets that it moves. */
export const SHAPES = {
  Photo: ["Photo"],
  jawOpen: ["jawOpen"],
  mouthSmile: ["mouthSmileLeft", "mouthSmileRight"],
  mouthFrown: ["mouthFrownLeft", "mouthFrownRight"],
  mouthPucker: ["mouthPucker"],
  mouthFunnel: ["mouthFunnel"],
  cheekPuff: ["cheekPuff"],
  noseSneer: ["noseSneerLeft", "noseSneerRight"],
  eyeBlink: ["eyeBlinkLeft", "eyeBlinkRight"],
  eyeWide: ["eyeWideLeft", "eyeWideRight"],
  eyeSquint: ["eyeSquintLeft", "eyeSquintRight"],
  browInnerUp: ["browInnerUp"],
  browOuterUp: ["browOuterUpLeft", "browOuterUpRight"],
  browDown: ["browDownLeft", "browDownRight"],
};
/** Colors for confidences 0, 0.5 and 1, sRGB 0..255: those of the add-on (blender_addon/heads/confidence.py). */
const RAMP = [[68, 1, 84], [33, 145, 140], [253, 231, 37]];
/** Clay's color, linear 0..1, and its roughness. */
const CLAY = 0.33;
const CLAY_ROUGHNESS = 0.85;

/** @param {number} byte sRGB, 0..255 @returns {number} linear, 0..1 */
const linear = (byte) => (byte <= 10 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
const LINEAR_RAMP = RAMP.map((color) => color.map(linear));

/**
 * Confidences as colors.
 * @param {{count: number, getX: (index: number) => number}} confidence
 * @returns {Float32Array} (count, 3), linear
 */
export const confidenceColors = (confidence) => {
  const colors = new Float32Array(3 * confidence.count);
  for (let index = 0; index < confidence.count; index++) {
    const place = 2 * Math.min(Math.max(confidence.getX(index), 0), 1);
    const stop = Math.min(Math.floor(place), 1);
    for (let channel = 0; channel < 3; channel++) {
      const [low, high] = [LINEAR_RAMP[stop][channel], LINEAR_RAMP[stop + 1][channel]];
      colors[3 * index + channel] = low + (high - low) * (place - stop);
    }
  }
  return colors;
};

/** Whether a mesh is hair, or what covers it: their materials' names begin so. @param {any} mesh @returns {boolean} */
const isHair = (mesh) => mesh.material.name.startsWith("hair");

/** @returns {boolean} */
const hasWebGL = () => {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
};

/** What studio_light.js, which batches' pages have, too, gives. @returns {any} */
const studioLight = () => /** @type {any} */ (globalThis).studioLight;

/** @param {string} address @returns {Promise<void>} */
const loadScript = (address) =>
  new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address });
    script.onload = () => resolve();
    script.onerror = () => {
      script.remove();
      reject(new Error(text("stage.viewer")));
    };
    document.head.append(script);
  });

/** @type {Promise<void> | null} */
let loading = null;
/** Load the viewer's program and its light, once. */
export const loadViewer = () => {
  loading ??= Promise.all([loadScript(LIGHT), loadScript(VIEWER)]).then(
    () => {},
    (error) => {
      loading = null;
      throw error;
    }
  );
  return loading;
};

/** The element with the head in it. */
export class Stage {
  /** @param {HTMLElement} element @param {HTMLElement} message */
  constructor(element, message) {
    this.element = element;
    this.message = message;
    /** @type {any} model-viewer's element */
    this.viewer = null;
    /** @type {string} Address of the model that is wanted, and of that which is shown. */
    this.wanted = "";
    this.shown = "";
    this.look = "texture";
    this.showsHair = true;
    /** @type {Record<string, number>} */
    this.shapes = { Photo: 1 };
    /** @type {() => void} Called when a model is shown. */
    this.onShown = () => {};
    /** @type {(words: string) => void} Called when a model cannot be shown. */
    this.onProblem = () => {};
  }

  /**
   * Show a model; the view stays as it was turned.
   * @param {string} address Of a GLB file.
   * @param {string} name For who cannot see it.
   */
  async show(address, name) {
    if (address === this.wanted) return;
    this.wanted = address;
    if (!this.shown) this.say(text("stage.loading"));
    try {
      if (!hasWebGL()) throw new Error(text("stage.webgl"));
      await loadViewer();
    } catch (error) {
      this.fail(/** @type {Error} */ (error).message);
      return;
    }
    if (address !== this.wanted) return;
    this.viewer ??= this.makeViewer();
    this.viewer.setAttribute("alt", text("stage.alt", { model: name }));
    this.viewer.setAttribute("src", address);
  }

  /** Take the model away. */
  clear() {
    this.viewer?.remove();
    this.viewer = null;
    this.wanted = this.shown = "";
    delete this.element.dataset.shown;
    this.say(text("stage.empty"));
  }

  /** @param {string} look "texture", "clay" or "confidence" */
  setLook(look) {
    this.look = look;
    this.apply();
  }

  /** @param {boolean} shown */
  setHair(shown) {
    this.showsHair = shown;
    this.apply();
  }

  /** @param {string} shape One of SHAPES. @param {number} value 0..1 */
  setShape(shape, value) {
    this.shapes[shape] = value;
    this.applyShapes();
  }

  /** @param {number} degrees Around the head; 0 is the front. */
  turn(degrees) {
    if (!this.viewer) return;
    // A full turn more or less is the same view: take the short way.
    const theta = this.viewer.getCameraOrbit().theta, goal = (degrees * Math.PI) / 180;
    const short = goal + 2 * Math.PI * Math.round((theta - goal) / (2 * Math.PI));
    this.viewer.cameraOrbit = `${short}rad ${PITCH}deg ${this.viewer.getCameraOrbit().radius}m`;
  }

  /** Whether the model that is shown says how far to trust it. */
  get hasConfidence() {
    return this.meshes().some((mesh) => mesh.geometry.attributes._confidence);
  }

  /** Whether the model that is shown has hair, or what covers it, apart from the skin. */
  get hasHair() {
    return this.meshes().some(isHair);
  }

  /** Whether the model that is shown has expressions. */
  get hasShapes() {
    return this.meshes().some((mesh) => mesh.morphTargetDictionary);
  }

  /** What is said where nothing is shown, and nothing has gone wrong with showing it. @param {string} words */
  sayIdle(words) {
    if (!this.wanted) this.say(words);
  }

  /** @param {string} words */
  say(words) {
    this.message.textContent = words;
  }

  /** @param {string} reason */
  fail(reason) {
    const { wanted } = this;
    this.clear();
    this.wanted = wanted;  // not tried again with each news
    this.say(text("stage.problem", { reason }));
    this.onProblem(this.message.textContent ?? "");
  }

  makeViewer() {
    const made = /** @type {any} */ (document.createElement("model-viewer"));
    const attributes = {
      "camera-controls": "", "field-of-view": `${FIELD_OF_VIEW}deg`,
      "interaction-prompt": "none", "touch-action": "pan-y", ...studioLight().attributes(),
    };
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    studioLight().follow(made);
    made.addEventListener("load", () => {
      if (made !== this.viewer) return;
      if (!this.shown) this.frame();
      this.shown = this.wanted;
      this.element.dataset.shown = made.getAttribute("src");
      this.say("");
      this.apply();
      this.onShown();
    });
    made.addEventListener("error", (/** @type {any} */ event) => {
      if (made === this.viewer && event.detail?.type !== "webglcontextlost") this.fail(text("stage.model"));
    });
    this.element.append(made);
    return made;
  }

  /** model-viewer has no interface for morph targets and vertex colors: its scene of three.js has. */
  get scene() {
    const symbol = Object.getOwnPropertySymbols(this.viewer ?? {}).find((one) => one.description === "scene");
    return symbol ? this.viewer[symbol] : null;
  }

  /** @returns {any[]} */
  meshes() {
    /** @type {any[]} */
    const found = [];
    this.scene?.traverse((/** @type {any} */ node) => {
      if (node.isMesh && node.material?.isMeshStandardMaterial) found.push(node);
    });
    return found;
  }

  /** Give the model that is shown its look and its expression. */
  apply() {
    for (const mesh of this.meshes()) this.applyLook(mesh);
    this.applyShapes();
  }

  /** Give the model that is shown its expression. */
  applyShapes() {
    for (const mesh of this.meshes())
      for (const [shape, value] of Object.entries(this.shapes))
        for (const target of SHAPES[/** @type {keyof typeof SHAPES} */ (shape)]) {
          const index = mesh.morphTargetDictionary?.[target];
          if (index !== undefined) mesh.morphTargetInfluences[index] = value;
        }
    this.scene?.queueRender?.();
  }

  /** Put the camera before the head, whose hair may hang far out of view. */
  frame() {
    const least = [Infinity, Infinity, Infinity], most = [-Infinity, -Infinity, -Infinity];
    for (const mesh of this.meshes()) {
      if (isHair(mesh)) continue;
      // Not the geometry's own box, which has room for all shapes at once.
      const { position } = mesh.geometry.attributes;
      for (let index = 0; index < position.count; index++)
        [position.getX(index), position.getY(index), position.getZ(index)].forEach((value, axis) => {
          least[axis] = Math.min(least[axis], value);
          most[axis] = Math.max(most[axis], value);
        });
    }
    if (!most.every(Number.isFinite)) return;
    const size = most.map((value, axis) => value - least[axis]), { viewer } = this;
    const wide = Math.max(size[0], size[2]) * (viewer.clientHeight / Math.max(viewer.clientWidth, 1));
    const distance = (MARGIN * Math.max(size[1], wide)) / 2 / Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    const middle = most.map((value, axis) => (value + least[axis]) / 2 + (axis === 1 ? RAISE * size[1] : 0));
    viewer.cameraTarget = middle.map((value) => `${value}m`).join(" ");
    viewer.minCameraOrbit = `auto 15deg ${NEAREST * distance}m`;
    viewer.maxCameraOrbit = `auto 165deg ${FARTHEST * distance}m`;
    viewer.cameraOrbit = `${START_YAW}deg ${PITCH}deg ${distance}m`;
    viewer.jumpCameraToGoal();
  }

  /** @param {any} mesh */
  applyLook(mesh) {
    const { geometry, material } = mesh;
    mesh.userData.own ??= {
      map: material.map, color: material.color.clone(), roughness: material.roughness, vertexColors: material.vertexColors,
      colors: geometry.attributes.color,
    };
    const own = mesh.userData.own, hair = isHair(mesh);
    const cut = material.transparent || material.alphaTest > 0;  // its texture has holes
    if (!geometry.attributes.normal) geometry.computeVertexNormals();  // a surface's file has none
    const confidence = geometry.attributes._confidence;
    const plain = this.look === "clay" || (this.look === "confidence" && Boolean(confidence));
    if (this.look === "confidence" && confidence) {
      const Attribute = geometry.attributes.position.constructor;
      own.confidence ??= new Attribute(confidenceColors(confidence), 3);
      geometry.setAttribute("color", own.confidence);
    } else if (own.colors) {
      geometry.setAttribute("color", own.colors);
    } else {
      geometry.deleteAttribute("color");
    }
    material.map = plain && !(hair && cut) ? null : own.map;
    material.vertexColors = plain ? this.look === "confidence" : own.vertexColors;
    if (plain) material.color.setScalar(this.look === "clay" ? CLAY : 1);
    else material.color.copy(own.color);
    material.roughness = plain ? CLAY_ROUGHNESS : own.roughness;
    material.flatShading = false;
    // Without their texture, lashes would be plates. How far to trust the hair, nobody has measured.
    if (hair) mesh.visible = this.showsHair && this.look !== "confidence";
    else mesh.visible = !(plain && cut);
    material.needsUpdate = true;
  }
}
