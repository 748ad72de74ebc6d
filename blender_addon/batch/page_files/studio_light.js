"use strict";
/**
 * The 3D viewers' light: the studio of preview.png (blender_addon/render/lighting.py, PORTRAIT), as a picture of
 * what is around the head, which model-viewer makes light of. Like there, it stays with the camera.
 */
globalThis.studioLight = (() => {
  /** Size of the picture, pixels: all directions, their height from above to below. */
  const WIDTH = 256;
  const HEIGHT = 128;
  /** Light from everywhere, and all strengths over those in lighting.py: what its lamps have. */
  const AMBIENT = 0.33;
  const LAMPS = 0.76;
  /**
   * Direction toward the source (x right, y up, z to the camera), color, strength, and angle that it fills, degrees.
   * @type {[number[], number[], number, number][]}
   */
  const SOURCES = [
    [[-0.50, 0.55, 0.75], [1.0, 0.97, 0.92], 1.1, 32],
    [[0.80, 0.10, 0.60], [0.93, 0.96, 1.0], 0.52, 90],
    [[0.55, 0.35, -0.85], [0.96, 0.98, 1.0], 0.5, 20],
  ];

  /** Radiance of the picture's pixels. @returns {Float32Array} (HEIGHT * WIDTH, 3) */
  const radiance = () => {
    const colors = new Float32Array(3 * WIDTH * HEIGHT).fill(LAMPS * AMBIENT);
    for (const [toward, color, strength, angle] of SOURCES) {
      const length = Math.hypot(...toward), edge = Math.cos((angle * Math.PI) / 360);
      /** @type {[number, number][]} */
      const inside = [];
      let irradiance = 0;
      for (let row = 0; row < HEIGHT; row++) {
        const up = Math.PI * (0.5 - (row + 0.5) / HEIGHT);
        const solid = Math.cos(up) * (Math.PI / HEIGHT) * ((2 * Math.PI) / WIDTH);
        for (let column = 0; column < WIDTH; column++) {
          const around = 2 * Math.PI * ((column + 0.5) / WIDTH - 0.5);
          const way = [Math.cos(up) * Math.cos(around), Math.sin(up), Math.cos(up) * Math.sin(around)];
          const cosine = way.reduce((sum, value, axis) => sum + value * toward[axis], 0) / length;
          if (cosine < edge) continue;
          inside.push([row * WIDTH + column, cosine]);
          irradiance += cosine * solid;
        }
      }
      // A white surface that faces the source is as light as its strength says.
      const each = (LAMPS * strength * Math.PI) / irradiance;
      for (const [pixel] of inside)
        for (let channel = 0; channel < 3; channel++) colors[3 * pixel + channel] += each * color[channel];
    }
    return colors;
  };

  /** The picture as a file in Radiance's format. @returns {Blob} */
  const picture = () => {
    const colors = radiance(), bytes = new Uint8Array(4 * WIDTH * HEIGHT);
    for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
      const color = colors.subarray(3 * pixel, 3 * pixel + 3);
      const exponent = Math.ceil(Math.log2(Math.max(...color) * 1.004));
      for (let channel = 0; channel < 3; channel++)
        bytes[4 * pixel + channel] = Math.floor((color[channel] / 2 ** exponent) * 256);
      bytes[4 * pixel + 3] = exponent + 128;
    }
    return new Blob([`#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y ${HEIGHT} +X ${WIDTH}\n`, bytes]);
  };

  /** @type {string} */
  let address = "";

  return {
    /** What a viewer is made with. @returns {Record<string, string>} */
    attributes: () => {
      address ||= URL.createObjectURL(picture()) + "#.hdr";
      return { "environment-image": address, exposure: "1.0", "shadow-intensity": "0" };
    },

    /** Make the light stay with a viewer's camera. @param {any} viewer */
    follow: (viewer) => {
      const symbol = Object.getOwnPropertySymbols(viewer).find((one) => one.description === "scene");
      if (!symbol) return;
      const turn = () => {
        // model-viewer has no interface for it: its scene of three.js has.
        viewer[symbol].environmentRotation?.set(0, viewer.getCameraOrbit().theta, 0);
        viewer[symbol].queueRender?.();
      };
      viewer.addEventListener("camera-change", turn);
      viewer.addEventListener("load", turn);
    },
  };
})();
