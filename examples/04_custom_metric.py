"""A metric of your own: how colourful an image is. Packages offer theirs as an entry point."""

from collections.abc import Sequence

from accel_opt.metrics import Images, Metric


class Colourfulness(Metric):
    """Hasler and Suesstrunk, "Measuring colourfulness in natural images", 2003."""

    name = "colourfulness"
    unit = "0 (grey) and up"
    reference = "doi:10.1117/12.477378"

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        red, green, blue = (images[..., i].astype(float) for i in range(3))
        opponents = red - green, (red + green) / 2 - blue
        spread = sum(part.var(axis=(1, 2)) for part in opponents) ** 0.5
        centre = sum(part.mean(axis=(1, 2)) ** 2 for part in opponents) ** 0.5
        return tuple(float(value) for value in spread + 0.3 * centre)


if __name__ == "__main__":
    import torch

    import accel_opt

    pipe = accel_opt.load_pipeline("shapes")
    prompts = ["a large red ring on a blue background", "a small white star on a black background"]
    images = pipe(prompts, generator=torch.Generator().manual_seed(0), output_type="np").images
    for prompt, value in zip(
        prompts, Colourfulness().score((images * 255).astype("uint8"), prompts), strict=True
    ):
        print(f"{value:6.1f}  {prompt}")
