// @ts-check
/** Takes a photo with the computer's camera. */

import { text } from "./texts.js";

/** Of a JPEG, 0..1. */
const QUALITY = 0.95;
/** @type {MediaStreamConstraints} */
const WANTED = { video: { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1080 } }, audio: false };

/** Browsers lend the camera to pages of this machine, and to encrypted ones. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

/** @param {string} id */
const element = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * Open the dialog.
 * @returns {Promise<File | null>} The photo, null if none was taken.
 */
export const takePhoto = () =>
  new Promise((resolve) => {
    const dialog = element("camera-dialog"), video = element("video"), take = element("take"), hint = element("camera-hint");
    /** @type {MediaStream | null} */
    let stream = null;
    /** @type {File | null} */
    let photo = null;
    let open = true;
    take.disabled = true;
    hint.textContent = text("camera.hint");
    take.onclick = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d")?.drawImage(video, 0, 0);
      canvas.toBlob((blob) => {
        if (blob) photo = new File([blob], "camera.jpg", { type: "image/jpeg" });
        dialog.close();
      }, "image/jpeg", QUALITY);
    };
    video.onloadedmetadata = () => {
      take.disabled = !video.videoWidth;
      take.focus();  // the dialog opened on Close, as this could not be pressed yet
    };
    element("camera-close").onclick = () => dialog.close();
    dialog.onclose = () => {
      open = false;
      stream?.getTracks().forEach((track) => track.stop());
      video.srcObject = null;
      resolve(photo);
    };
    dialog.showModal();
    navigator.mediaDevices.getUserMedia(WANTED).then(
      (given) => {
        stream = given;
        if (open) video.srcObject = given;
        else given.getTracks().forEach((track) => track.stop());
      },
      (error) => { hint.textContent = text("camera.none", { reason: error.message }); },
    );
  });
