"""The skin's albedo: what the photo shows of it, mirrored and completed by the statistical model.

All that is smooth is computed on the mesh's vertices and on texels of half the texture's resolution; only the
photo itself and the fine detail are at the full one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..geometry.mesh import shading_normals
from ..geometry.visibility import ramp
from ..image.color import LUMINANCE
from ..image.sampling import sample_photo_linear
from ..template.regions import Regions, brow_weight
from ..template.topology import SKIN, HeadTopology
from .albedo_model import DARK, AlbedoFit, AlbedoModel
from .blocks import half_span, row_blocks
from .creases import crease_shade
from .delighting import relative_shading, without_sheen
from .detail import CHANNELS, DetailLayer
from .face_colors import FaceColors
from .inpainting import SmoothCompletion
from .light_patches import patch_light
from .padding import nearest_texels
from .settings import PaintOptions, TextureSettings
from .skin_sampler import SkinSampler, SkinView, side_weight
from .skin_tone import colorfulness, tone_correction
from .skin_views import ShownSkin, SkinPhoto, match_tone, view_shares
from .tone_correction import ToneCorrection

#: Logarithm of a color's ratio to the model's at which large areas count less: shadows, and highlights.
SHADOW_RANGE = (0.35, 0.80)
HIGHLIGHT_RANGE = (0.22, 0.50)
#: Logarithm by which blue or green is stronger than the person's skin has it, over centimeters, at which that
#: begins to be taken out as light, and is; and what is left of it at which areas count less: clothes.
FOREIGN_LIGHT_RANGE = (0.0, 0.15)
FOREIGN_HUE_RANGE = (0.30, 0.70)
#: The same by which red is stronger than blue: skin is red in places, but less than over an orange shirt.
WARM_LIGHT_RANGE = (0.25, 0.55)
#: The same by which green is stronger than red and blue, on lips, brows and beards, too: none is green.
GREEN_RANGE = (0.06, 0.15)
#: Logarithm of a color's ratio to the model's at which single texels count less: highlights.
GLINT_RANGE = (0.25, 0.55)
#: The same for dark texels near hair, single strands of it, and on the neck: necklaces, and shade of folds.
STRAND_RANGE = (0.22, 0.45)
#: The same for light texels on the neck, and what is taken with them, texels of a texture of 1024.
CHAIN_RANGE = (0.12, 0.30)
CHAIN_REACH = 2
#: The same for redder ones on the neck and before the ears: ears are red.
FLUSHED_RANGE = (0.10, 0.22)
#: Value of the region of plain skin from which on a vertex has the person's tone.
PLAIN = 0.9
#: Meters from hair up to which skin may be in its shade, and over which that fades.
SHADE_REACH = 0.045
SHADE_FADE = 0.018
#: Logarithms by which skin near hair is darker than expected, and by which its hue differs, at which it
#: begins to count less, and does not count: hair's shade, and hair that the segmentation misses.
SHADE_RANGE = (0.08, 0.20)
SHADE_HUE_RANGE = (0.12, 0.28)
#: What smoothly differs from the person's tone is taken for light: weight of its smoothness, and how much of
#: its lightness and hue, on the face, and on neck, ears and beside them; and how much less where beards grow,
#: shaven or not: their shade is the skin's.
EVEN_STIFFNESS = 4.0
EVEN_LIGHTNESS = 0.4
EVEN_HUE = 0.2
EVEN_LIGHTNESS_BESIDE = 0.75
EVEN_HUE_BESIDE = 0.5
EVEN_BEARD = 0.5
#: How much more the colors on the neck and beside the ears count against smoothness: finer spots are taken
#: for light there, too.
EVEN_FINER_BESIDE = 5.0
#: Least channel, linear, of colors that are clipped: nothing of the skin is left in them.
CLIPPED_RANGE = (0.75, 0.95)
#: Texels of half the resolution around what was observed.
MARGIN = 8
#: Weights of the mirror image from which on it is used, and used fully.
MIRROR_RANGE = (0.3, 0.9)
#: Weight of the smoothness of sheen where it goes on under brows and lips.
SHEEN_STIFFNESS = 0.1
#: How far beyond the landmarks' outline brows are taken out, meters, where they are not to be in the texture.
BROW_REMOVAL = 0.004
#: Weight of the smoothness of the skin that takes their place.
BROW_STIFFNESS = 0.1
#: Of how many texels one says whether the photo has colors.
COLOR_STEP = 16
#: How many times smooth light and albedo are found in turn.
LIGHT_ROUNDS = 2


@dataclass(frozen=True)
class SkinLayer:
    """The painted skin.

    Attributes:
        linear: (S, S, 3) float32 linear albedo, beyond the skin's island, too.
        logs: (V, 3) float32, natural logarithm of the completed albedo at the vertices.
        observed: (S/2, S/2) float32, 0..1, how far the photo shows each texel.
        mirrored: (S/2, S/2) float32, 0..1, how far it comes from the head's other side.
        correction: Exposure and white balance that were made.
        detail: (S, S) float32, natural logarithm of the fine structure of lightness.
    """

    linear: np.ndarray
    logs: np.ndarray
    observed: np.ndarray
    mirrored: np.ndarray
    correction: ToneCorrection
    detail: np.ndarray


class SkinPainter:
    """Paints the skin of heads of one topology at one size."""

    def __init__(
        self, topology: HeadTopology, size: int, settings: TextureSettings, model: AlbedoModel
    ) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the textures, texels.
            settings: What can be set.
            model: Of the albedo.
        """
        self.topology, self.size, self.settings = topology, size, settings
        self.model = model.at_vertices(topology.origin)
        self.regions = Regions.of(topology)
        self.completion = SmoothCompletion(topology)
        self.sampler = SkinSampler(topology, size // 2)
        _, self._fill = nearest_texels(self.sampler.texel, size // 2)
        regions = [self.regions.features, self.regions.beard, self.regions.neck]
        features, beard, neck = self.sampler.at_texels(np.column_stack(regions)).T.copy()
        before_ear = self.sampler.beside_ear
        self._features, self._beard = features, beard * (1 - before_ear)
        # Where fine lines are no skin's: necklaces, and ears that lie before the head's.
        self._smooth = np.maximum(neck, before_ear)
        of_skin = np.zeros(len(topology.vertices), bool)
        of_skin[topology.vertices_of(SKIN)] = True
        self._of_skin = of_skin
        self._brows = brow_weight(topology.vertices, topology, BROW_REMOVAL) * of_skin
        self._brow_texels = self.sampler.at_texels(self._brows[:, None])[:, 0]
        self._beside = np.maximum(self.regions.neck, side_weight(topology, self.regions.ear)) * of_skin
        self._glossy = of_skin * (1 - self.regions.features) * (1 - self.regions.beard)
        self._detail = DetailLayer(size)

    def paint(
        self,
        photo: SkinPhoto,
        options: PaintOptions,
        face: FaceColors | None = None,
        others: Sequence[SkinPhoto] = (),
    ) -> SkinLayer:
        """Paint the skin of a head.

        Args:
            photo: With the head as photographed.
            options: What is chosen.
            face: Colors of the face's parts, as photographed, if they are known.
            others: Further photos of the person: each texel is taken from those that show it best.

        Returns:
            The skin.
        """
        shown, fit, logs = self._shown(photo, options)
        correction = ToneCorrection.none()
        if options.delight:
            correction = tone_correction(self.model, fit.tone, photo.rgb, face)
        if not others:
            layers = [shown]
            if options.delight:
                layers, logs = self._evened(layers, logs, fit.tone)
            return self._compose(layers, shown.weight, logs, correction, options.delight)
        layers = [shown]
        for other in others:
            layer, own_fit, _ = self._shown(other, options)
            layers.append(match_tone(layer, layers, self.sampler, self.completion, fit.tone - own_fit.tone))
        layers = view_shares(layers, self.sampler)
        weight = np.asarray(sum(layer.weight for layer in layers), np.float32)
        mixed = sum(layer.albedo(self.sampler) * layer.weight[:, None] for layer in layers)
        logs = self._completed(mixed / np.maximum(weight, DARK)[:, None], weight, fit)
        if not options.brows:
            logs = self._without_brows(logs)
        if options.delight:
            layers, logs = self._evened(layers, logs, fit.tone)
        return self._compose(layers, weight, logs, correction, options.delight)

    def tone(self, photo: SkinPhoto) -> np.ndarray:
        """(3,) natural logarithm of the color that a photo shows the plain skin in."""
        view = self._view(photo, True)
        return self._explain(self._tinted(view, self._tint(view)), photo.vertices, True)[1].tone

    def _view(self, photo: SkinPhoto, beard: bool) -> SkinView:
        """What a photo shows of the skin's texels, beards being skin or not."""
        return self.sampler.view(
            *(photo.rgb, photo.frame, photo.pose, photo.vertices, photo.segmentation),
            keep_beard=beard,
            landmarks=photo.landmarks,
        )

    def _shown(self, photo: SkinPhoto, options: PaintOptions) -> tuple[ShownSkin, AlbedoFit, np.ndarray]:
        """What a photo shows of the skin, the albedo by it, and its completion (V, 3), logarithms."""
        view = self._view(photo, options.beard)
        if not options.brows:
            view = replace(view, weight=view.weight * (1 - self._brow_texels))
        tint = self._tint(view) if options.delight else np.ones((1, 3), np.float32)
        shading, fit, kept = self._explain(self._tinted(view, tint), photo.vertices, options.delight)
        shading = shading / tint
        colors = view.colors / self.sampler.at_texels(shading)
        weight = view.weight * self.sampler.at_texels(kept[:, None])[:, 0]
        logs = self._completed(colors, weight, fit)
        if options.delight:
            weight *= self.plain_texels(colors, view, logs)
            logs = self._completed(colors, weight, fit)
        if not options.brows:
            logs = self._without_brows(logs)
        return ShownSkin(photo.rgb, view, shading, weight), fit, logs

    def _tint(self, view: SkinView) -> np.ndarray:
        """(V, 3) what takes a photo without colors to the average person's hues; else (1, 3) ones."""
        some = slice(None, None, COLOR_STEP)
        missing = 1 - colorfulness(view.colors[some][view.weight[some] > 0])
        if not missing:
            return np.ones((1, 3), np.float32)
        hue = np.exp(self.model.mean - (self.model.mean @ LUMINANCE)[:, None])
        return np.asarray((hue / (hue @ LUMINANCE)[:, None]) ** missing, np.float32)

    def _tinted(self, view: SkinView, tint: np.ndarray) -> SkinView:
        """A view with the tint (V, 3), or (1, 3), of `_tint`."""
        if len(tint) == 1:
            return view
        return replace(view, colors=view.colors * self.sampler.at_texels(tint))

    def _explain(
        self, view: SkinView, vertices: np.ndarray, delight: bool
    ) -> tuple[np.ndarray, AlbedoFit, np.ndarray]:
        """Smooth shading (V, 3), the person's albedo, and how far both explain each vertex (V,), 0..1:
        cast shadows and highlights are not.
        """
        means, observed = self.sampler.to_vertices(view.colors, view.weight)
        normals = shading_normals(vertices, self.topology.triangles)
        shading = np.ones(len(means), np.float32)
        even = np.ones((len(means), 3), np.float32)
        plain = observed * np.maximum(self.regions.plain, 0.3 * self._of_skin * (1 - self.regions.features))
        fit = self.model.fit(np.log(np.maximum(means, DARK)), observed)
        if not delight:
            return even, fit, np.ones(len(means), np.float32)
        photographed, tone = means, fit.tone
        means = self._without_sheen(means, observed, fit)
        for _ in range(LIGHT_ROUNDS):
            relative = np.exp(fit.logs - fit.tone) @ LUMINANCE
            shading = relative_shading(normals, means / relative[:, None], plain, self.settings)
            fit = self.model.fit(np.log(np.maximum(means / shading[:, None], DARK)), observed)
        residual = np.log(np.maximum(means / shading[:, None], DARK)) - fit.logs
        uneven = self._uneven_light(residual, observed)
        shading = shading[:, None] * np.exp(uneven)
        shading *= np.maximum(photographed, DARK) / np.maximum(means, DARK)
        residual -= uneven
        lightness = residual @ LUMINANCE
        kept = (1 - ramp(-lightness, *SHADOW_RANGE)) * (1 - ramp(lightness, *HIGHLIGHT_RANGE))
        exempt = np.maximum(self.regions.features, self.regions.beard)
        kept = kept + (1 - kept) * exempt
        kept *= 1 - ramp(_foreign_hue(residual), *FOREIGN_HUE_RANGE) * (1 - self.regions.features)
        kept *= 1 - ramp(_green(residual), *GREEN_RANGE)
        from_average = residual + fit.logs - fit.tone - self.model.mean
        grown = np.maximum(self.regions.features, self.regions.beard * self._bearded(view))
        kept *= 1 - self._in_shade(view, from_average) * (1 - grown)
        # Exposure was learned from tones with sheen: the skin stays as light as with it.
        lighter = np.float32((tone - fit.tone) @ LUMINANCE)
        fit = replace(fit, tone=tone, logs=fit.logs + lighter)
        return shading * np.exp(-lighter), fit, kept.astype(np.float32)

    def _in_shade(self, view: SkinView, difference: np.ndarray) -> np.ndarray:
        """(V,) 0..1: how far vertices are in the shade of hair, or are hair that the segmentation misses, by
        what their colors differ by (V, 3) from those of a person of this tone.
        """
        near = ramp(view.hair_distance, SHADE_REACH, SHADE_REACH - SHADE_FADE)
        near = self.sampler.to_vertices(near[:, None], view.weight)[0][:, 0]
        lightness = difference @ LUMINANCE
        hue = np.linalg.norm(difference - lightness[:, None], axis=1)
        shade = np.maximum(ramp(-lightness, *SHADE_RANGE), ramp(hue, *SHADE_HUE_RANGE))
        return np.asarray(near * shade, np.float32)

    def _evened(
        self, layers: Sequence[ShownSkin], logs: np.ndarray, tone: np.ndarray
    ) -> tuple[list[ShownSkin], np.ndarray]:
        """Take for light what smoothly differs from the tone (3,): the albedo model was learned from
        portraits, and knows of the light in them, foreheads in the sun, necks in the chin's shade.

        Returns:
            The layers, and the albedo (V, 3), natural logarithms.
        """
        beard = self.regions.beard * np.max([self._bearded(layer.view) for layer in layers], axis=0)
        weight = self._of_skin * (1 - self.regions.features) * (1 - beard)
        weight = weight * (1 + EVEN_FINER_BESIDE * self._beside * (1 - self.regions.ear))
        smooth = self.completion.smooth(logs - tone, weight, EVEN_STIFFNESS, anchor=np.zeros(3))
        lightness = (smooth @ LUMINANCE)[:, None]
        beside, beard = self._beside[:, None], EVEN_BEARD * self.regions.beard[:, None]
        light = (EVEN_LIGHTNESS + (EVEN_LIGHTNESS_BESIDE - EVEN_LIGHTNESS) * beside) * lightness
        light = light + (EVEN_HUE + (EVEN_HUE_BESIDE - EVEN_HUE) * beside) * (smooth - lightness)
        light *= 1 - beard * (1 - beside)
        # The face as a whole stays as it is.
        light = light - np.median(light[self.regions.plain > PLAIN], axis=0)
        factor = np.exp(light).astype(np.float32)
        return [replace(layer, shading=layer.shading * factor) for layer in layers], logs - light

    def _bearded(self, view: SkinView) -> np.ndarray:
        """(V,) 0..1, how far a photo shows facial hair."""
        return self.sampler.to_vertices(view.facial_hair[:, None], view.weight)[0][:, 0]

    def _without_sheen(self, means: np.ndarray, observed: np.ndarray, fit: AlbedoFit) -> np.ndarray:
        """(V, 3) the photographed colors (V, 3) less the light that the skin's surface reflects."""
        matte = without_sheen(means, np.exp(self.model.mean + fit.tone))
        ratio = np.log(np.maximum(matte, DARK) / np.maximum(means, DARK))
        # Brows, lids and lips have colors of their own: there, it is as on the skin around them.
        around = self.completion.smooth(ratio, observed * self._glossy, SHEEN_STIFFNESS, anchor=np.zeros(3))
        ratio += (around - ratio) * self.regions.features[:, None]
        ratio *= ((1 - self.regions.beard) * self._of_skin)[:, None]
        return np.asarray(means * np.exp(ratio), np.float32)

    def _uneven_light(self, residual: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """(V, 3) natural logarithm of light that is smooth over centimeters, but no function of the normal:
        soft shadows, sheen, colored reflections. It is what the person's albedo leaves (V, 3), smoothed.
        """
        settings = self.settings
        weight = observed * self._of_skin * (1 - self.regions.features) * (1 - 0.7 * self.regions.beard)
        smooth = self.completion.smooth(residual, weight, settings.light_stiffness, anchor=np.zeros(3))
        lightness = (smooth @ LUMINANCE)[:, None]
        # People's skin is redder in places; where it is bluer or greener, clothes, sky or leaves shine on it.
        foreign = np.maximum(
            ramp(_foreign_hue(smooth), *FOREIGN_LIGHT_RANGE),
            ramp(smooth[:, 0] - smooth[:, 2], *WARM_LIGHT_RANGE),
        )[:, None]
        hue = settings.uneven_hue + (settings.uneven_foreign_hue - settings.uneven_hue) * foreign
        return np.asarray(settings.uneven_lightness * lightness + hue * (smooth - lightness), np.float32)

    def _completed(self, colors: np.ndarray, weight: np.ndarray, fit: AlbedoFit) -> np.ndarray:
        """(V, 3) logarithms of the albedo everywhere: the model plus what the person differs by, which goes
        on from where it was observed and fades; the gradients are the model's (Poisson blending).
        """
        means, observed = self.sampler.to_vertices(np.column_stack([colors, weight]), weight)
        # Where all that is seen is doubtful, however much it is, the model goes on.
        means, observed = means[:, :3], observed * means[:, 3] ** 2
        residual = np.log(np.maximum(means, DARK)) - fit.logs
        residual[observed <= 0] = 0
        plain = observed * self.regions.plain
        typical = (residual * plain[:, None]).sum(0) / max(float(plain.sum()), 1.0)
        return fit.logs + self.completion.smooth(residual, observed, anchor=typical)

    def _without_brows(self, logs: np.ndarray) -> np.ndarray:
        """(V, 3) logarithms of albedo (V, 3), with that of the skin around them where the brows are."""
        around = self._of_skin * (1 - self._brows)
        smooth = self.completion.smooth(logs, around, BROW_STIFFNESS)
        return np.asarray(logs + (smooth - logs) * self._brows[:, None], np.float32)

    def plain_texels(self, colors: np.ndarray, view: SkinView, logs: np.ndarray) -> np.ndarray:
        """Which texels are no highlights, strands of hair, necklaces or clothes, nor clipped.

        Args:
            colors: (n, 3) linear, of the skin's texels, the light taken out.
            view: What the photo shows of them.
            logs: (V, 3) natural logarithm of the albedo that is expected.

        Returns:
            (n,) float32, 0..1.
        """
        expected = self.sampler.at_texels(logs)
        hue = np.log(np.maximum(colors, DARK)) - expected
        foreign = ramp(_foreign_hue(hue), *FOREIGN_HUE_RANGE)
        flushed = ramp(hue[:, 0] - hue[:, 1:].mean(1), *FLUSHED_RANGE) * self._smooth
        expected = np.exp(expected) @ LUMINANCE
        ratio = np.log(np.maximum(colors @ LUMINANCE, DARK) / np.maximum(expected, DARK))
        # A gray beard is as light as a highlight.
        glint = ramp(ratio, *GLINT_RANGE) * (1 - np.maximum(self._features, self._beard * view.facial_hair))
        chain = ramp(ratio, *CHAIN_RANGE) * self._smooth
        near = np.maximum(view.near_hair, self._smooth)
        strand = ramp(-ratio, *STRAND_RANGE) * near * (1 - np.maximum(self._features, self._beard))
        clipped = ramp(np.minimum.reduce(view.colors.T), *CLIPPED_RANGE)
        foreign *= 1 - np.maximum(self._features, self._beard)
        odd = np.maximum.reduce([glint, chain, strand, clipped, foreign, flushed])
        return np.asarray((1 - odd) * (1 - self._smooth * self._around(odd)), np.float32)

    def _around(self, values: np.ndarray) -> np.ndarray:
        """(n,) the greatest of values (n,) of the skin's texels within CHAIN_REACH: chains have edges."""
        size = self.sampler.size
        picture = np.zeros((size, size), np.float32)
        picture.ravel()[self.sampler.texel] = values
        reach = 2 * round(CHAIN_REACH * size / 1024) + 1
        return np.asarray(cv2.dilate(picture, np.ones((reach, reach), np.uint8)).ravel()[self.sampler.texel])

    def _full(self, values: np.ndarray) -> np.ndarray:
        """(S, S) or (S, S, C) float32: values (n,) or (n, C) of the skin's texels at the full resolution."""
        picture = values.astype(np.float32)[self._fill].reshape(
            self.sampler.size, self.sampler.size, *values.shape[1:]
        )
        return cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def _half_in_box(self, values: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(h/2, w/2) or (h/2, w/2, C) float32: values (n,) or (n, C) of the skin's texels in a box."""
        rows, columns = (slice(span.start // 2, span.stop // 2) for span in box)
        fill = self._fill.reshape(self.sampler.size, self.sampler.size)[rows, columns]
        return np.asarray(values, np.float32)[fill]

    def _in_box(self, values: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(h, w) or (h, w, C) float32: `_full` in a box alone."""
        size = self.sampler.size
        (rows, rows_of_full), (columns, columns_of_full) = (half_span(span, size) for span in box)
        picture = np.asarray(values, np.float32)[self._fill.reshape(size, size)[rows, columns]]
        full = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return full[rows_of_full, columns_of_full]

    def _half(self, values: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """(S/2, S/2) float32: means of values (h, w) in a box, 0 outside of it."""
        picture = np.zeros((self.sampler.size, self.sampler.size), np.float32)
        rows, columns = (slice(span.start // 2, span.stop // 2) for span in box)
        picture[rows, columns] = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return picture

    def _compose(
        self,
        layers: Sequence[ShownSkin],
        weight: np.ndarray,
        logs: np.ndarray,
        correction: ToneCorrection,
        delight: bool,
    ) -> SkinLayer:
        """Put what was observed, its mirror image and what was completed together, at the full resolution."""
        beside = logs - np.median(logs[self.regions.plain > PLAIN], axis=0)
        change = correction.of(logs)
        gain = self.sampler.at_texels(np.exp(change))
        logs = (logs + change).astype(np.float32)
        completed = np.exp(self.sampler.at_texels(logs))
        box = self._box(weight)
        own = self._in_box(weight, box)
        # In terms of the completed albedo, so that a mirror image takes on the tone of the side it goes to.
        ratio = np.zeros((*own.shape, 3), np.float32)
        for layer in layers:
            part = own if len(layers) == 1 else self._in_box(layer.weight, box)
            one = self._photo(layer.rgb, layer.view, layer.weight, part > 0, box)
            light = gain / self.sampler.at_texels(layer.shading)
            for rows, block in _blocks(box):
                one[rows] *= self._in_box(light, block)
                np.maximum(one[rows], DARK, out=one[rows])
                one[rows] /= np.maximum(self._in_box(completed, block), DARK)
            cv2.log(one, one)
            one *= part[..., None]
            ratio += one
        # At 2048 a picture of three channels takes up to 50 MB: none is kept for longer than it is needed.
        del part, one
        mirror = self._mirror_maps(box)
        share = _sampled(own, mirror)
        mirrored = (1 - own) * ramp(share, *MIRROR_RANGE).astype(np.float32)
        share = mirrored / np.maximum(share, 1e-3)
        twin = _sampled(ratio, mirror)
        for channel in range(3):
            ratio[..., channel] += share * twin[..., channel]
        del twin, share, mirror
        if delight:
            plain = self._half_in_box(self._plain(layers), box)
            beside = self._half_in_box(self.sampler.at_texels(beside), box)
            ratio -= patch_light(ratio, beside, plain, self.size)
        noise = self._detail.synthesize(ratio, own, self._in_box(1 - self._features, box))
        detail = self._detail.repeated(noise) * np.float32(CHANNELS @ LUMINANCE)
        unseen = self._detail.repeated(noise)[box] * np.sqrt(np.clip(1 - own - mirrored, 0, 1))
        for rows, _ in _blocks(box):
            ratio[rows] += unseen[rows, :, None] * CHANNELS
        del unseen
        detail[box] = cv2.transform(ratio, LUMINANCE[None])
        if delight:
            self._lighten_creases(ratio, layers, box)
        cv2.exp(ratio, ratio)
        # What was observed has its own detail, all else the noise.
        linear = self._full(completed)
        for rows, _ in _blocks(box):
            ratio[rows] *= linear[box][rows]
        self._detail.multiply(linear, noise)
        linear[box] = ratio
        small = [self._half(mask, box) for mask in (own, mirrored)]
        return SkinLayer(linear, logs, small[0], small[1], correction, detail)

    def _plain(self, layers: Sequence[ShownSkin]) -> np.ndarray:
        """(n,) float32, 0..1: which of the skin's texels are plain, and no beard in any photo."""
        bearded = np.maximum.reduce([layer.view.facial_hair for layer in layers])
        return np.asarray((1 - self._features) * (1 - self._beard * bearded), np.float32)

    def _lighten_creases(
        self, ratio: np.ndarray, layers: Sequence[ShownSkin], box: tuple[slice, slice]
    ) -> None:
        """Take the shade of creases out of fine structure (h, w, 3) in a box, where the skin is plain and no
        photo shows a beard; in place.
        """
        shade = crease_shade(ratio, self.size)
        shade *= self._in_box(self._plain(layers), box)[..., None]
        ratio -= shade

    def _box(self, weight: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns of the full resolution that hold all that was observed, and its mirror image."""
        size = self.sampler.size
        picture = np.zeros((size, size), np.float32)
        picture.ravel()[self.sampler.texel] = weight
        x, y = (np.ascontiguousarray(self._mirror_map(k)[::2, ::2]) for k in (0, 1))
        other = cv2.remap(picture, (x - 0.5) / 2, (y - 0.5) / 2, cv2.INTER_NEAREST)
        shown = (picture > 0) | (other > 0)
        if not shown.any():
            return slice(0, 2), slice(0, 2)
        rows, columns = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
        # Numbers of Python's own: numpy 2 makes float64 of float32 less one of numpy's.
        top, left = (max(2 * (int(seen[0]) - MARGIN), 0) for seen in (rows, columns))
        bottom, right = (min(2 * (int(seen[-1]) + MARGIN), 2 * size) for seen in (rows, columns))
        return slice(top, bottom), slice(left, right)

    def _mirror_map(self, axis: int) -> np.ndarray:
        """(S, S) float32: x (0) or y (1) of the texel on the head's other side, at the full resolution."""
        return self._full(2 * self.sampler.mirror[:, axis] + 0.5)

    def _mirror_maps(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) float32 each: x and y in a box of the texel on the head's other side, of its texels."""
        x, y = (np.ascontiguousarray(self._mirror_map(k)[box] - box[1 - k].start) for k in (0, 1))
        return x, y

    def _photo(
        self,
        rgb: np.ndarray,
        view: SkinView,
        weight: np.ndarray,
        wanted: np.ndarray,
        box: tuple[slice, slice],
    ) -> np.ndarray:
        """(h, w, 3) float32 linear colors of the photo at the wanted (h, w) texels of a box; 0 elsewhere."""
        some = np.flatnonzero(weight > 0)
        colors = np.zeros((*wanted.shape, 3), np.float32)
        if len(some):
            # Far texels are behind the head: nothing is looked up for them.
            points = self._in_box(view.pixels, box)[wanted]
            colors[wanted] = sample_photo_linear(rgb, points, self.sampler.spacing(view.pixels, some) / 2)[0]
        return colors


def _blocks(box: tuple[slice, slice]) -> Iterator[tuple[slice, tuple[slice, slice]]]:
    """Rows of a picture of a box, some at a time, and the part of the box that they are."""
    rows, columns = box
    for block in row_blocks(rows):
        yield slice(block.start - rows.start, block.stop - rows.start), (block, columns)


def _sampled(picture: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A picture (h, w) or (h, w, C) float32 at x and y, (h, w) float32 each; 0 outside of it."""
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0,))


def _foreign_hue(logs: np.ndarray) -> np.ndarray:
    """(n,) how much bluer or greener than expected colors are, of natural logarithms (n, 3) beside that."""
    red, _, blue = logs.T
    return np.asarray(np.maximum(blue - red, 2 * _green(logs)))


def _green(logs: np.ndarray) -> np.ndarray:
    """(n,) how much greener than expected colors are, of natural logarithms (n, 3) beside that."""
    red, green, blue = logs.T
    return np.asarray(green - np.maximum(red, blue))
