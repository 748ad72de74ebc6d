"""The skin's albedo: what photos show of it, the light taken out, completed by the statistical model.

All of it is smooth, and computed on the mesh's vertices and on texels of half the texture's resolution; the
photo itself and the fine detail are put onto it at the full one (`skin_compositor`).
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..geometry.mesh import shading_normals
from ..geometry.visibility import ramp
from ..image.color import LUMINANCE
from ..template.regions import Regions, brow_weight
from ..template.topology import SKIN, HeadTopology
from .albedo_model import DARK, AlbedoFit, AlbedoModel
from .delighting import relative_shading, without_sheen
from .face_colors import FaceColors
from .inpainting import SmoothCompletion
from .settings import PaintOptions, TextureSettings
from .skin_compositor import SkinCompositor, SkinLayer
from .skin_sampler import SkinSampler, SkinView, side_weight
from .skin_tone import colorfulness, plain_tone, tone_correction
from .skin_views import ShownSkin, SkinPhoto, SkinSource, match_tone, view_shares
from .sparse_texels import SparseTexels
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
#: Weight of the smoothness of sheen where it goes on under brows and lips.
SHEEN_STIFFNESS = 0.1
#: How far beyond the landmarks' outline brows have hair, meters: so far they are taken out where they are not
#: to be in the texture, and begin where lids end.
BROW_REACH = 0.004
#: Weight of the smoothness of the skin that takes their place.
BROW_STIFFNESS = 0.1
#: Of how many texels one says whether the photo has colors.
COLOR_STEP = 16
#: How many times smooth light and albedo are found in turn.
LIGHT_ROUNDS = 2


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
        regions = [self.regions.features, self.regions.beard, self.regions.neck]
        features, beard, neck = self.sampler.at_texels(np.column_stack(regions)).T
        before_ear = self.sampler.before_ear()
        self._features = SparseTexels.of(features)
        self._beard = SparseTexels.of(beard * (1 - before_ear))
        # Where fine lines are no skin's: necklaces, and ears that lie before the head's.
        self._smooth = np.maximum(neck, before_ear)
        of_skin = np.zeros(len(topology.vertices), bool)
        of_skin[topology.vertices_of(SKIN)] = True
        self._of_skin = of_skin
        self._brows = brow_weight(topology.vertices, topology, BROW_REACH) * of_skin
        self._brow_texels = SparseTexels.of(self.sampler.at_texels(self._brows[:, None])[:, 0])
        self.compositor = SkinCompositor(
            size, self.sampler, self.regions, self._features, self._beard, self._brow_texels
        )
        self._beside = np.maximum(self.regions.neck, side_weight(topology, self.regions.ear)) * of_skin
        self._glossy = of_skin * (1 - self.regions.features) * (1 - self.regions.beard)

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
        # All else that the photos show takes 30 MB at 2048, and is gone when this takes the most.
        sources, logs, correction = self._sources(photo, options, face, others)
        return self.compositor.compose(sources, logs, correction, options.delight)

    def _sources(
        self,
        photo: SkinPhoto,
        options: PaintOptions,
        face: FaceColors | None,
        others: Sequence[SkinPhoto],
    ) -> tuple[list[SkinSource], np.ndarray, ToneCorrection]:
        """What the skin is put together from, its albedo (V, 3), natural logarithms, and what is to be
        changed of its tone; arguments as of `paint`.
        """
        shown, fit, logs = self._shown(photo, options)
        correction = ToneCorrection.none()
        if options.delight:
            correction = tone_correction(self.model, fit.tone, photo.rgb, face)
        layers = [shown]
        if others:
            layers, logs = self._with_others(shown, fit, others, options)
        if options.delight:
            layers, logs = self._evened(layers, logs, fit.tone)
        return [layer.source() for layer in layers], logs, correction

    def _with_others(
        self, shown: ShownSkin, fit: AlbedoFit, others: Sequence[SkinPhoto], options: PaintOptions
    ) -> tuple[list[ShownSkin], np.ndarray]:
        """What the photo and others show, each texel of those that show it best, and its completion (V, 3),
        natural logarithms.
        """
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
        return layers, logs

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
            view = replace(view, weight=view.weight * (1 - self._brow_texels.dense()))
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
        # What is gathered at the vertices is gathered together: it takes half the time.
        columns = np.column_stack([view.colors, beside_hair(view.hair_distance), view.facial_hair])
        gathered, observed = self.sampler.to_vertices(columns, view.weight)
        means, near, bearded = np.ascontiguousarray(gathered[:, :3]), gathered[:, 3], gathered[:, 4]
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
        grown = np.maximum(self.regions.features, self.regions.beard * bearded)
        kept *= 1 - self._in_shade(near, from_average) * (1 - grown)
        # Exposure was learned from tones with sheen: the skin stays as light as with it.
        lighter = np.float32((tone - fit.tone) @ LUMINANCE)
        fit = replace(fit, tone=tone, logs=fit.logs + lighter)
        return shading * np.exp(-lighter), fit, kept.astype(np.float32)

    def _in_shade(self, near: np.ndarray, difference: np.ndarray) -> np.ndarray:
        """(V,) 0..1: how far vertices are in the shade of hair, or are hair that the segmentation misses, by
        how near they are to hair (V,), 0..1, and what their colors differ by (V, 3) from those of a person of
        this tone.
        """
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
        light = light - plain_tone(light, self.regions)
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
        features, beard = self._features.dense(), self._beard.dense()
        expected = self.sampler.at_texels(logs)
        hue = np.log(np.maximum(colors, DARK)) - expected
        foreign = ramp(_foreign_hue(hue), *FOREIGN_HUE_RANGE)
        flushed = ramp(hue[:, 0] - (hue[:, 1] + hue[:, 2]) / 2, *FLUSHED_RANGE) * self._smooth
        expected = np.exp(expected) @ LUMINANCE
        ratio = np.log(np.maximum(colors @ LUMINANCE, DARK) / np.maximum(expected, DARK))
        # A gray beard is as light as a highlight.
        glint = ramp(ratio, *GLINT_RANGE) * (1 - np.maximum(features, beard * view.facial_hair))
        chain = ramp(ratio, *CHAIN_RANGE) * self._smooth
        near = np.maximum(view.near_hair, self._smooth)
        strand = ramp(-ratio, *STRAND_RANGE) * near * (1 - np.maximum(features, beard))
        red, green, blue = view.colors.T
        clipped = ramp(np.minimum(np.minimum(red, green), blue), *CLIPPED_RANGE)
        foreign *= 1 - np.maximum(features, beard)
        odd = glint
        for sign in (chain, strand, clipped, foreign, flushed):
            odd = np.maximum(odd, sign)
        return np.asarray((1 - odd) * (1 - self._smooth * self._around(odd)), np.float32)

    def _around(self, values: np.ndarray) -> np.ndarray:
        """(n,) the greatest of values (n,) of the skin's texels within CHAIN_REACH: chains have edges."""
        size = self.sampler.size
        picture = np.zeros((size, size), np.float32)
        picture.ravel()[self.sampler.texel] = values
        reach = 2 * round(CHAIN_REACH * size / 1024) + 1
        return np.asarray(cv2.dilate(picture, np.ones((reach, reach), np.uint8)).ravel()[self.sampler.texel])


def beside_hair(distance: np.ndarray) -> np.ndarray:
    """How far skin may be in the shade of hair, by its distance from it alone.

    Args:
        distance: (n,) meters.

    Returns:
        (n,) 0..1.
    """
    return ramp(distance, SHADE_REACH, SHADE_REACH - SHADE_FADE)


def _foreign_hue(logs: np.ndarray) -> np.ndarray:
    """(n,) how much bluer or greener than expected colors are, of natural logarithms (n, 3) beside that."""
    red, _, blue = logs.T
    return np.asarray(np.maximum(blue - red, 2 * _green(logs)))


def _green(logs: np.ndarray) -> np.ndarray:
    """(n,) how much greener than expected colors are, of natural logarithms (n, 3) beside that."""
    red, green, blue = logs.T
    return np.asarray(green - np.maximum(red, blue))
