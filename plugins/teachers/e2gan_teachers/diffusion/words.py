"""Which words of two prompts belong together, token by token (prompt-to-prompt, Hertz et al. 2023, §3.2)."""

from __future__ import annotations

import string
from collections.abc import Collection
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from e2gan.errors import TeacherError

if TYPE_CHECKING:
    import torch

__all__ = ["TokenMap", "plain_words", "token_map"]


@dataclass(frozen=True)
class TokenMap:
    """The weights that make a target prompt's cross-attention from a source prompt's."""

    mapper: torch.Tensor
    """(T, T): the share of source token i's map that goes to target token j."""
    covered: torch.Tensor
    """(T,): 1 where the target token takes its map from the source, 0 where it keeps its own."""
    weights: torch.Tensor
    """(T,): the factor of each target token's map, 1 except for amplified words."""


def plain_words(text: str) -> list[str]:
    """The words of a text without case and punctuation around them."""
    return [word.casefold().strip(string.punctuation) for word in text.split()]


def token_map(
    tokenizer: Any, source: str, target: str, *, amplify: Collection[str] | None = None, amplification: float = 1.0
) -> TokenMap:
    """Align two prompts word by word.

    Prompts of the same length are a word swap: each word takes the map of the word in its place.  Otherwise the
    target refines the source: the words that both have, in order, take the source's maps; the others keep their own.
    The start token and the padding, which CLIP also attends to, take the maps of their counterparts.

    amplify: plain words of the target whose maps are multiplied by `amplification`; None: those that are not in the
    source.  Raises TeacherError for a prompt of more tokens than the text encoder reads.
    """
    import torch

    length = tokenizer.model_max_length
    from_words, to_words = (_words(tokenizer, prompt) for prompt in (source, target))
    from_ids, to_ids = ([ids for ids, _ in words] for words in (from_words, to_words))
    matches = SequenceMatcher(None, from_ids, to_ids, autojunk=False)
    same = [(block.a + k, block.b + k) for block in matches.get_matching_blocks() for k in range(block.size)]
    swap = len(from_words) == len(to_words)
    pairs = [(k, k) for k in range(len(to_words))] if swap else same

    mapper, covered, weights = torch.zeros(length, length), torch.zeros(length), torch.ones(length)
    for i, j in pairs:
        at, to = from_words[i][1], to_words[j][1]
        if len(at) == len(to):
            mapper[list(at), list(to)] = 1
        else:
            mapper[at.start : at.stop, to.start : to.stop] = 1 / len(to)
        covered[to.start : to.stop] = 1
    # The start, then the end and all that follows it.
    ends = [words[-1][1].stop for words in (from_words, to_words)]
    mapper[0, 0] = covered[0] = 1
    for j in range(ends[1], length):
        mapper[min(j - ends[1] + ends[0], length - 1), j] = covered[j] = 1

    matched = {j for _, j in same}
    for j, (word, (_, span)) in enumerate(zip(plain_words(target), to_words)):
        if (j not in matched) if amplify is None else (word in amplify):
            weights[span.start : span.stop] = amplification
    return TokenMap(mapper, covered, weights)


def _words(tokenizer: Any, prompt: str) -> list[tuple[tuple[int, ...], range]]:
    """Each word's token ids and where they are in the tokenized prompt.  CLIP's tokens never cross a blank."""
    ids = [tuple(tokenizer(word, add_special_tokens=False).input_ids) for word in prompt.split()]
    starts = [1]
    for word in ids:
        starts.append(starts[-1] + len(word))
    if starts[-1] + 1 > tokenizer.model_max_length:
        raise TeacherError(
            f"the prompt has {starts[-1] + 1} tokens, at most {tokenizer.model_max_length} fit: '{prompt[:60]}…'",
            hint="shorten it",
        )
    return [(word, range(start, stop)) for word, (start, stop) in zip(ids, pairwise(starts))]
