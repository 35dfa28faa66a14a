"""Writes key_split.tsv: what Dask itself makes of many keys. Run with a Python that has distributed."""

import pathlib
import random
import string

from dask.utils import key_split
from distributed.utils import color_of

# A tilde stands for a space inside a key.
KEYS = """
x x-1 x-1-2-3 hello-world-1 ('x-2',~1) ("x-2",~1) ('x',~1) ae05086432ca935f6eba409a8ecd4896
<module.submodule.myclass~object~at~0xdaf372> <lambda> <> <~> x-abcdefab x-analyzer-1 x-zanalyze-1 x-Abcdefab
_(x) _ __init__-5 -x 1-x 1x-y-3 () ('',~0) ' " (((( x- x--y x-y- x-y1-z x-1-y X-Y-Z finalize-hlgfinalizecompute-9f8e
('my-array',~0) ('sum-abc',~0) ("read-parquet-fused-0d1f",~12) ('random_sample-67c8',~3,~4)
inc-9d7d2a5ac7c1b4c0a3b5a0cf1e0b3f4a getitem-getitem-abc rechunk-merge-ffff rechunk-split-0 dataframe-count-agg-18
mean_agg-aggregate-2f3 mean_combine-partial-ad <dask.array.core.Array~object> array-<this-array>-0 1234 12,34-56
add-été-1 Ünïcode-key-7 数据-加载-9 x-\u2166-1 abcdefabcdefabcdefabcdefabcdefab 0123456789abcdef0123456789abcdef
0123456789ABCDEF0123456789ABCDEF g123456789abcdef0123456789abcdef data-0123 None True 3.5 b'raw-1' lambda-5 x.y-z.w-1
store-map-a store-map-deadbeef store-map-deadbeefs ('shuffle-transfer-9a',~(1,~2)) ((('a-1',~0),~1),~2) (1,~2)
""".split("\n")


def keys():
    for line in KEYS:
        for word in line.split(" "):
            if word:
                yield word.replace("~", " ")
    rng = random.Random(7)
    alphabet = string.ascii_letters + string.digits + "-----_'\"(),<>. " + "éß数"
    for _ in range(200):
        yield "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 24)))


def main():
    lines, seen = [], set()
    for key in keys():
        if key in seen:
            continue
        seen.add(key)
        prefix = key_split(key)
        lines.append(f"{key}\t{prefix}\t{color_of(prefix)}\n")
    target = pathlib.Path(__file__).with_suffix(".tsv")
    target.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
