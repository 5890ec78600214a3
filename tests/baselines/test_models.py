"""The networks: the papers' counts and what sets each apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from e2gan.errors import BaseModelError, E2GANError, PluginError
from e2gan_baselines.baseline import Baseline, make_baseline
from e2gan_baselines.comodgan import CoModGAN, StyleDiscriminator, Widths
from e2gan_baselines.pix2pix import Pix2Pix
from e2gan_baselines.reproduction import PatchDiscriminator, Reproduction, Stem, load_stem

SMALL = Widths(side=32, base=128, widest=8, latent=8, mapping_layers=2)


def count(model: nn.Module, trained: bool = False) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trained)


def test_pix2pix_has_the_papers_parameters() -> None:
    assert count(Pix2Pix()) == 11_378_179


def test_comodgan_has_the_papers_parameters() -> None:
    with torch.device("meta"):
        assert count(CoModGAN()) == pytest.approx(79.2e6, rel=0.02)


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("pix2pix", {"width": 8, "blocks": 1}),
        ("comodgan", {"side": 32, "widest": 8, "base": 128}),
        ("resnet-transformer", {"depth": 1, "feed_forward": 8}),
    ],
)
def test_each_makes_pictures_that_its_discriminator_judges(id: str, options: dict[str, int]) -> None:
    torch.manual_seed(0)
    made = make_baseline(id, 6, **options)
    photo, prompt, bias = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 3, 6), torch.zeros(2, 3)
    edit = made.generator(photo, prompt, bias)
    assert edit.shape == photo.shape
    logits = made.discriminator(photo, edit)
    assert len(logits) == 2
    logits.mean().backward()
    idle = [name for name, p in made.generator.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
    made.generator.eval()
    assert torch.equal(made.generator(photo, prompt, bias), made.generator(photo, prompt, bias))
    assert made.shape == options


def test_a_model_or_an_option_that_is_not_there() -> None:
    with pytest.raises(PluginError, match="no model 'cyclegan'"):
        make_baseline("cyclegan", 6)
    with pytest.raises(E2GANError, match=r"'pix2pix' does not accept these options: .*depth"):
        make_baseline("pix2pix", 6, depth=3)


class TestCoModGAN:
    def test_the_edit_depends_on_the_photo_in_its_styles_too(self) -> None:
        torch.manual_seed(0)
        generator = CoModGAN(SMALL).eval()
        seen: list[Tensor] = []
        generator.first.affine.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        generator(torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
        latent, photo = seen[0].split(SMALL.latent, dim=1)[0], seen[0][:, SMALL.latent :]
        assert torch.equal(latent[0], latent[1])
        assert not torch.allclose(photo[0], photo[1])

    def test_in_training_every_pass_draws_a_latent(self) -> None:
        torch.manual_seed(0)
        generator, photo = CoModGAN(SMALL), torch.rand(2, 3, 32, 32)
        assert not torch.equal(generator(photo), generator(photo))

    def test_modulating_is_scaling_the_weights(self) -> None:
        """Against the definition: each picture convolved with weights of its own (Karras et al., 2020)."""
        from e2gan_baselines.comodgan import ModulatedConv

        torch.manual_seed(0)
        layer, x, style = ModulatedConv(4, 5, 3, 6).eval(), torch.randn(2, 4, 8, 8), torch.randn(2, 6)
        expected = []
        for picture, scales in zip(x, layer.affine(style), strict=True):
            weight = layer.weight * layer.scale * scales[None, :, None, None]
            weight = weight / weight.square().sum(dim=(1, 2, 3), keepdim=True).add(1e-8).sqrt()
            expected.append(nn.functional.conv2d(picture[None], weight, padding=1))
        wanted = nn.functional.leaky_relu(torch.cat(expected), 0.2) * 2**0.5
        assert torch.allclose(layer(x, style), wanted, atol=1e-5)

    def test_enlarging_keeps_a_flat_picture(self) -> None:
        from e2gan_baselines.comodgan import _enlarged

        large = _enlarged(torch.full((1, 3, 8, 8), 0.7))
        assert large.shape == (1, 3, 16, 16)
        assert torch.allclose(large[..., 2:-2, 2:-2], torch.tensor(0.7))

    def test_the_path_penalty_falls_as_the_steps_even_out(self) -> None:
        torch.manual_seed(0)
        generator, photo = CoModGAN(SMALL), torch.rand(4, 3, 32, 32)
        penalty = generator.path_penalty(photo, photo, photo)
        assert penalty > 0
        assert generator.mean_path > 0
        penalty.backward()
        assert generator.mapping[0].weight.grad is not None

    def test_the_discriminator_sees_how_alike_a_batch_is(self) -> None:
        torch.manual_seed(0)
        judge, photo, edits = (
            StyleDiscriminator(SMALL),
            torch.rand(1, 3, 32, 32).expand(2, -1, -1, -1),
            torch.rand(2, 3, 32, 32),
        )
        alone = judge(photo[:1], edits[:1])
        assert not torch.allclose(judge(photo, edits)[:1], alone, atol=1e-6)

    @pytest.mark.parametrize("side", [4, 48, 0])
    def test_only_powers_of_two(self, side: int) -> None:
        with pytest.raises(ValueError, match="power of two"):
            Widths(side=side)


@pytest.fixture(scope="module")
def model() -> Reproduction:
    torch.manual_seed(0)
    return Reproduction(6, depth=1, feed_forward=8)


class TestReproduction:
    def test_the_stem_is_resnets_and_frozen(self, model: Reproduction) -> None:
        # conv1, bn1, layer1 and layer2 of torchvision's resnet50.
        assert count(model.stem) == 1_444_928
        assert count(model.stem, trained=True) == 0
        model.train()
        assert not model.stem.training
        assert "layer2.0.downsample.1.running_var" in model.stem.state_dict()

    def test_the_prompt_matters_and_its_padding_does_not(self, model: Reproduction) -> None:
        model.eval()
        photo, prompt = torch.rand(1, 3, 64, 64), torch.randn(1, 4, 6)
        bias = torch.tensor([[0, 0, -torch.inf, -torch.inf]])
        with torch.no_grad():
            edit = model(photo, prompt, bias)
            prompt[:, 2:] = 9
            assert torch.allclose(model(photo, prompt, bias), edit, atol=1e-5)
            prompt[:, 0] = 9
            assert not torch.allclose(model(photo, prompt, bias), edit, atol=1e-5)

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_the_stems_weights_come_from_torchvisions_file(
        self, model: Reproduction, tmp_path: Path, suffix: str
    ) -> None:
        from safetensors.torch import save_file

        state = {name: torch.rand_like(value.float()) for name, value in Stem().state_dict().items()}
        state |= {"fc.weight": torch.zeros(2, 2)}  # the file has all of the network
        path = tmp_path / f"resnet50{suffix}"
        torch.save(state, path) if suffix == ".pth" else save_file(state, path)
        load_stem(model, path)
        assert torch.equal(model.stem.layer2[3].conv2.weight, state["layer2.3.conv2.weight"])

    def test_another_file_is_refused(self, model: Reproduction, tmp_path: Path) -> None:
        (tmp_path / "resnet50.pth").write_bytes(b"nothing")
        torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
        for name in ("resnet50.pth", "other.pth", "missing.pth"):
            with pytest.raises(BaseModelError, match=rf"{name}: not the weights of torchvision's resnet50"):
                load_stem(model, tmp_path / name)


def test_the_recipes_are_the_papers() -> None:
    made = {id: make_baseline(id, 6, **options).recipe for id, options in (("pix2pix", {"width": 8}),)}
    assert (made["pix2pix"].epochs, made["pix2pix"].learning_rate, made["pix2pix"].l1) == (200, 2e-4, 100)
    recipe = make_baseline("resnet-transformer", 6, depth=1).recipe
    assert (recipe.batch_size, recipe.weight_decay, recipe.cosine_to, recipe.l1) == (32, 0.1, 1e-6, 20)
    assert isinstance(make_baseline("resnet-transformer", 6, depth=1), Baseline)
    assert PatchDiscriminator(8)(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)).shape == (1, 1, 6, 6)
