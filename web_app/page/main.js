// @ts-check
/** The page: takes a photo, follows what becomes of it, shows the head. */

import { hasCamera, takePhoto } from "./camera.js";
import { openPlace, Refusal } from "./server.js";
import { text } from "./texts.js";
import { loadViewer, SHAPES, Stage } from "./viewer.js";

/** @typedef {import("./server.js").Job} Job */
/** @typedef {import("./server.js").News} News */
/** @typedef {import("./server.js").Place} Place */

/** Files that are offered, in this order, if they are there. */
const OFFERED = ["head.glb", "head.fbx", "hair.glb", "surface.ply", "surface.glb", "albedo.png"];
const BUSY = ["waiting", "working"];
/** Where the sliders stand beside the head, not below it. */
const WIDE = "(min-width: 761px)";
/** The server's reasons to refuse a photo that it may take later. */
const RETRYABLE = ["busy", "uploads", "cut", "slow", "disk", "internal"];

/** @param {string} id */
const $ = (id) => /** @type {any} */ (document.getElementById(id));
/**
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {(Node | string)[]} children
 */
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const stage = new Stage($("stage"), $("stage-message"));

/** What the page knows. */
const page = {
  /** @type {Place | null} */
  place: null,
  /** @type {File[]} The last photo, or several of one person, to be sent again. */
  files: [],
  /** @type {File[]} Photos of which nobody has said yet whether they are of one person. */
  several: [],
  /** How many photos of one person are taken together. */
  most: 1,
  /** Which of the photos is on its way. */
  sent: 0,
  /** @type {AbortController | null} Of a photo that is on its way. */
  sending: null,
  /** @type {Job | null} */
  job: null,
  /** Model that was chosen: "surface", "head", or "" for the best that is there. */
  model: "",
  /** Text of the photo's address, to be given back. */
  picture: "",
  /** Format that is downloaded as soon as it is there. */
  downloading: "",
};

// --- Notices ------------------------------------------------------------------------------------------------

/**
 * @param {string} words
 * @param {boolean} again Whether the photo can be sent again.
 * @param {boolean} wrong Whether something has gone wrong.
 */
const notice = (words, again = false, wrong = true) => {
  $("notice").hidden = !words;
  $("notice").dataset.kind = wrong ? "problem" : "remark";
  $("notice-text").textContent = words;
  $("again").hidden = !again || !page.files.length;
};

/** @param {unknown} error @param {boolean} ofPhoto Whether it was about sending the photo. */
const failed = (error, ofPhoto = false) => {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof Refusal) notice(error.message, ofPhoto && RETRYABLE.includes(error.code));
  else notice(text("lost"), ofPhoto);
};

// --- The photo ------------------------------------------------------------------------------------------------

/** @param {File[]} files A photo, or several of one person. */
const send = async (files) => {
  page.sending?.abort();
  page.files = files;
  renderSeveral([]);
  page.job = null;
  page.model = "";
  notice("");
  reset(1);
  stage.clear();
  showPhoto(URL.createObjectURL(files[0]));
  if (!page.place) {
    notice(text("lost"), true);
    return;
  }
  if (files.some((file) => file.size > (page.place?.about.max_bytes ?? 0))) {
    notice(text("problem.size", { megabytes: page.place.about.max_bytes >> 20 }));
    render(null);
    return;
  }
  const sending = (page.sending = new AbortController());
  render(null);
  try {
    let number = 0;
    for (const [index, file] of files.entries()) {
      page.sent = index;
      if (index) render(null);
      number = await page.place.sendPhoto(file, sending.signal, index, files.length);
      if (page.sending !== sending) return;
    }
    // News of the photo before it may have come meanwhile, and none of this one yet.
    if (page.sending === sending && page.job?.number !== number) page.job = null;
  } catch (error) {
    if (page.sending === sending) failed(error, true);
  } finally {
    if (page.sending === sending) page.sending = null;
    render(page.job);
  }
};

/** @param {string} address */
const showPhoto = (address) => {
  if (page.picture.startsWith("blob:")) URL.revokeObjectURL(page.picture);
  page.picture = address;
  // A photo of the user's may be one that the browser cannot show; those of the server's it can.
  if (!address || address.startsWith("blob:")) $("photo").hidden = true;
  if (address) $("photo-image").src = address;
  else $("photo-image").removeAttribute("src");
};
// Formats that the browser does not know, such as HEIC: the server's picture of the face comes later.
$("photo-image").addEventListener("error", () => { $("photo").hidden = true; });
$("photo-image").addEventListener("load", () => { $("photo").hidden = !page.picture; });

/** @param {FileList | null | undefined} files @param {boolean} told Whether to say so if there is none. */
const take = (files, told = true) => {
  const all = [...(files ?? [])], pictures = all.filter((one) => one.type.startsWith("image/"));
  const photos = pictures.length ? pictures : all;
  if (!photos.length) {
    if (told) notice(text("no.photo"));
    return;
  }
  const { most } = page;
  if (photos.length > 1 && most > 1) {
    notice(photos.length > most ? text("several.most", { count: most }) : "");
    renderSeveral(photos.slice(0, most));
    $("several-title").focus();
    return;
  }
  send(photos.slice(0, 1)).catch(failed);
  if (all.length > 1) notice(text("several"));
};

/** Ask whether photos are of one person. @param {File[]} photos */
const renderSeveral = (photos) => {
  for (const image of $("several-list").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  page.several = photos;
  $("several").hidden = !photos.length;
  if (photos.length) document.body.dataset.asking = "";
  else delete document.body.dataset.asking;
  $("together").hidden = photos.length < 2;
  $("several-list").replaceChildren(
    ...photos.map((photo) => {
      const image = make("img", { src: URL.createObjectURL(photo), alt: "" });
      // Formats that the browser does not know: the name takes the picture's place.
      image.addEventListener("error", () => { image.replaceWith(make("span", { textContent: photo.name })); });
      const button = make("button", { type: "button", title: photo.name }, image, "\u00d7");
      button.setAttribute("aria-label", text("several.remove", { name: photo.name }));
      button.addEventListener("click", () => {
        renderSeveral(photos.filter((one) => one !== photo));
        if (page.several.length) $("several-title").focus();
      });
      return make("li", {}, button);
    }),
  );
};
$("together").addEventListener("click", () => { send(page.several).catch(failed); });
$("first-only").addEventListener("click", () => { send(page.several.slice(0, 1)).catch(failed); });

for (const id of ["file", "snapshot"])
  $(id).addEventListener("change", () => {
    take($(id).files, false);
    $(id).value = "";
  });
if (!hasCamera()) {
  $("camera").hidden = true;
  $("snapshot-label").hidden = $("snapshot").disabled = false;
}
$("camera").addEventListener("click", async () => {
  const photo = await takePhoto();
  if (photo) send([photo]).catch(failed);
});
$("start").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
$("again").addEventListener("click", () => { if (page.files.length) send(page.files).catch(failed); });
document.addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  take(event.clipboardData.files);
});
let depth = 0;  // dragging over a child enters it before the parent is left
document.addEventListener("dragenter", (event) => {
  event.preventDefault();
  depth++;
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => {
  if (--depth <= 0) document.body.classList.remove("dropping");
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dropping");
  take(event.dataTransfer?.files);
});
$("cancel").addEventListener("click", () => {
  if (page.sending) {
    page.sending.abort();
    notice(text("cancelled"), true, false);
  } else if (page.job && BUSY.includes(page.job.state)) {
    page.place?.cancel().catch(failed);
  }
});

// --- What has become of it --------------------------------------------------------------------------------------

const sendingText = () => {
  const count = page.files.length;
  return count > 1 ? text("sending.of", { number: page.sent + 1, count }) : text("sending");
};

/** @param {Job} job */
const working = (job) => {
  if (job.state === "working") return job.surface ? text("surface.ready") : job.message || text("working");
  if (job.position > 1) return text("waiting", { count: job.position });
  return text(job.position ? "waiting.one" : "waiting.none");
};

/** @param {Job} job */
const renderFaces = (job) => {
  const choices = job.faces.length > 1 && !BUSY.includes(job.state);
  const opened = $("faces").hidden && choices && job.state === "choose";
  $("faces").hidden = !choices;
  if (!choices) return;
  const key = `${page.place?.base} ${job.number} ${job.face}`;
  if ($("face-list").dataset.key !== key) {
    $("face-list").dataset.key = key;
    $("face-list").replaceChildren(
      ...job.faces.map((face) => {
        const name = text(face.usable ? "face" : "face.small", { number: face.index + 1 });
        const button = make("button", { type: "button", disabled: !face.usable });
        if (face.picture) button.append(make("img", { src: page.place?.file(job, face.picture), alt: "" }));
        button.append(name);
        button.setAttribute("aria-label", text("face.where", { name, place: face.from_left, count: job.faces.length }));
        button.setAttribute("aria-pressed", String(face.index === job.face));
        button.addEventListener("click", () => {
          page.model = "";
          reset(1);
          stage.clear();
          page.place?.chooseFace(face.index).catch(failed);
        });
        return make("li", {}, button);
      }),
    );
  }
  if (opened) $("faces-title").focus();
};

/** @param {Job | null} job */
const renderVerdict = (job) => {
  const verdict = job?.state === "done" ? job.verdict : null;
  $("verdict").hidden = !verdict;
  if (!verdict) return;
  $("verdict").dataset.grade = verdict.grade;
  $("verdict-summary").textContent = verdict.summary;
  $("verdict-error").textContent = verdict.error;
  const omitted = job?.omitted.map(({ name, reason }) => text("omitted", { name, reason })) ?? [];
  const remarks = [...omitted, ...verdict.remarks];
  $("verdict-remarks").replaceChildren(...remarks.map((remark) => make("li", { textContent: remark })));
};

/** @param {Job} job @param {string} name @param {string} [label] */
const download = (job, name, label = text(`file.${name}`)) => {
  const stem = job.name.replace(/\.[^.]*$/, "");
  return make("a", { href: page.place?.file(job, name), download: `${stem} ${name}`, textContent: label });
};

/** @param {Job | null} job */
const renderDownloads = (job) => {
  const done = job?.state === "done";
  $("downloads").hidden = !done;
  if (!done || !page.place) return;
  const { formats, blender } = page.place.about;
  const key = [page.place.base, job.number, job.face, job.export, ...job.files].join(" ");
  if ($("file-list").dataset.key !== key) {
    $("file-list").dataset.key = key;
    const items = OFFERED.filter((name) => job.files.includes(name)).map((name) => make("li", {}, download(job, name)));
    for (const format of formats) {
      if (job.files.includes(`head.${format}`)) continue;
      const button = make("button", { type: "button", textContent: text(`export.${format}`), disabled: Boolean(job.export) });
      button.addEventListener("click", () => {
        page.downloading = `head.${format}`;
        page.place?.export(format).catch(failed);
      });
      items.push(make("li", {}, button));
    }
    $("file-list").replaceChildren(...items);
    if (job.files.includes(page.downloading)) {
      download(job, page.downloading).click();
      page.downloading = "";
    }
  }
  $("blender").hidden = !blender;
  if (job.export) $("export-status").textContent = text("export.working");
  else $("export-status").textContent = job.export_problem ? text("export.failed", { reason: job.export_problem }) : "";
};
$("blender").addEventListener("click", async () => {
  try {
    await page.place?.openInBlender();
    $("export-status").textContent = text("blender.opening");
  } catch (error) {
    failed(error);
  }
});

/** Show the best model that is there, or that which was chosen. @param {Job | null} job */
const renderModel = (job) => {
  const done = job?.state === "done";
  const files = {
    surface: job?.surface ?? (done && job.files.includes("surface.glb") ? "surface.glb" : ""),
    head: done && job.files.includes("head.glb") ? "head.glb" : "",
  };
  const shown = page.model === "surface" || !files.head ? "surface" : "head";
  const file = files[shown];
  $("controls").hidden = !file || !stage.shown;
  if (!job || !file || !page.place) return;
  for (const radio of document.querySelectorAll("[name=model]")) {
    const input = /** @type {HTMLInputElement} */ (radio);
    input.disabled = !files[/** @type {"surface" | "head"} */ (input.value)];
    input.checked = input.value === shown;
  }
  stage.show(`${page.place.file(job, file)}?${job.face}`, text(`model.${shown}`));
};

stage.onShown = () => {
  $("controls").hidden = false;
  $("shapes").hidden &&= !stage.hasShapes;
  $("shapes").inert = !stage.hasShapes;  // of a surface; taken away, it would move the rest
  $("hair-label").hidden = !stage.hasHair;
  $("hair").disabled = stage.look === "confidence";  // which shows no hair
  const input = /** @type {HTMLInputElement} */ (document.querySelector("[name=look][value=confidence]"));
  input.disabled = !stage.hasConfidence;
  $("legend").hidden = stage.look !== "confidence" || !stage.hasConfidence;
};

/** Say what goes on to who cannot see it. @param {string} words */
const announce = (words) => {
  if ($("announcement").textContent !== words) $("announcement").textContent = words;
};

stage.onProblem = announce;

/** @param {Job | null} job */
const render = (job) => {
  const sending = Boolean(page.sending);
  const busy = sending || Boolean(job && BUSY.includes(job.state));
  document.body.dataset.state = sending ? "sending" : (job?.state ?? (page.files.length ? "failed" : "empty"));
  $("work").hidden = !busy;
  if (busy) {
    $("status").textContent = sending || !job ? sendingText() : working(job);
    announce($("status").textContent);
    if (sending || !job) $("progress").removeAttribute("value");
    else $("progress").value = job.fraction;
  }
  if (job) renderFaces(job);
  else $("faces").hidden = true;
  if (job?.state === "failed") {
    notice(job.problem ?? "", job.retryable);
    if (!job.readable) showPhoto("");  // the browser may have shown an empty box for it
  }
  if (job?.state === "cancelled") notice(text("cancelled"), true, false);
  if (job?.state === "done" && job.files.includes("photo.png")) {
    const picture = `${page.place?.file(job, "photo.png")}?${job.face}`;
    if (page.picture !== picture) showPhoto(picture);
  }
  if (job?.state !== "done" || !stage.shown) $("shapes").hidden = true;
  if (job?.state === "done") announce(`${text("done")} ${job.verdict?.summary ?? ""}`);
  const { state = "" } = document.body.dataset;
  if (busy) stage.sayIdle(text(job?.state === "waiting" ? "stage.waiting" : "stage.working"));
  else stage.sayIdle(text(state === "choose" ? "stage.choose" : page.files.length && !job ? "stage.empty" : "stage.failed"));
  renderVerdict(job);
  renderDownloads(job);
  renderModel(job);
};

// --- Controls of the view -----------------------------------------------------------------------------------------

for (const radio of document.querySelectorAll("[name=model]"))
  radio.addEventListener("change", () => {
    page.model = /** @type {HTMLInputElement} */ (radio).value;
    renderModel(page.job);
  });
$("hair").addEventListener("change", () => stage.setHair($("hair").checked));
for (const radio of document.querySelectorAll("[name=look]"))
  radio.addEventListener("change", () => {
    const look = /** @type {HTMLInputElement} */ (radio).value;
    $("legend").hidden = look !== "confidence" || !stage.hasConfidence;
    stage.setLook(look);
    $("hair").disabled = look === "confidence";
  });
for (const button of document.querySelectorAll("[data-orbit]"))
  button.addEventListener("click", () => stage.turn(Number(/** @type {HTMLElement} */ (button).dataset.orbit)));

/** @type {Record<string, HTMLInputElement>} */
const sliders = {};
for (const shape of Object.keys(SHAPES)) {
  const input = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: 0, max: 1, step: 0.01, value: shape === "Photo" ? 1 : 0 }));
  input.dataset.shape = shape;
  input.addEventListener("input", () => stage.setShape(shape, Number(input.value)));
  sliders[shape] = input;
  $("sliders").append(make("label", {}, text(`shape.${shape}`), input));
}
/** @param {number} photo Of the expression in the photo, 0..1. */
const reset = (photo) => {
  for (const [shape, input] of Object.entries(sliders)) {
    input.value = String(shape === "Photo" ? photo : 0);
    stage.setShape(shape, Number(input.value));
  }
};
$("as-photographed").addEventListener("click", () => reset(1));
$("neutral").addEventListener("click", () => reset(0));

// --- The server -----------------------------------------------------------------------------------------------

const silent = () => {
  notice(text("lost"));
  $("work").hidden = true;  // nothing is known of it
  stage.sayIdle("");
};

/** @param {News} news */
const onNews = (news) => {
  if ($("notice-text").textContent === text("lost")) notice("");
  page.job = news.job;
  page.most = news.max_photos;
  if (news.expired && !news.job) {
    notice(text("expired"), true);
    stage.clear();
  }
  render(page.sending ? null : news.job);
};

const connect = async () => {
  try {
    page.place = await openPlace(silent);
  } catch (error) {
    failed(error);
    return;
  }
  page.place.listen({
    news: onNews,
    silent,
    lost: async () => {
      page.place = null;
      page.job = null;
      await connect();
      render(null);
      if (page.files.length) {
        stage.clear();
        notice(text("restarted"), true);
      }
    },
  });
};

window.addEventListener("pagehide", () => page.place?.leave());
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
await connect();
document.body.dataset.ready = "";
if (!matchMedia(WIDE).matches) $("shapes").open = false;
loadViewer().catch(() => {});  // so that it is there when the surface is
