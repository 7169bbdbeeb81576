"""A component of a model folder as a PyTorch module with plain tensors in and out, and inputs for it.

What `diffarm bench` times is the same: the U-Net's one call, the decoder behind post_quant_conv, the text encoder's
last hidden states. Weights are read from the folder that diffarm reads, in f32."""
import torch


class Unet(torch.nn.Module):
    def __init__(self, folder):
        from diffusers import UNet2DConditionModel

        super().__init__()
        self.model = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)

    def forward(self, sample, timestep, text):
        return self.model(sample, timestep, text, return_dict=False)[0]

    def inputs(self, batch, latent):
        config = self.model.config
        return (torch.randn(batch, config.in_channels, latent, latent), torch.full((batch,), 500.0),
                torch.randn(batch, 77, config.cross_attention_dim))


class Vae(torch.nn.Module):
    def __init__(self, folder):
        from diffusers import AutoencoderKL

        super().__init__()
        self.model = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32)

    def forward(self, latents):
        return self.model.decode(latents, return_dict=False)[0]

    def inputs(self, batch, latent):
        return (torch.randn(batch, self.model.config.latent_channels, latent, latent),)


class Text(torch.nn.Module):
    def __init__(self, folder):
        from transformers import CLIPTextModel

        super().__init__()
        self.model = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", torch_dtype=torch.float32)

    def forward(self, ids):
        return self.model(ids)[0]

    def inputs(self, batch, _latent):
        return (torch.randint(0, self.model.config.vocab_size, (batch, 77)),)


COMPONENTS = {"unet": Unet, "vae": Vae, "text": Text}


def load(folder, component):
    torch.manual_seed(7)
    return COMPONENTS[component](folder).eval()
