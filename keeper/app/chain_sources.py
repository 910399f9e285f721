"""From the configuration of a source on the chain to the source."""

from __future__ import annotations

from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.adapters.prices.erc4626 import Erc4626Source
from keeper.adapters.prices.pyth import PythSource
from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.adapters.prices.uniswap_v3 import UniswapV3Source
from keeper.config import model
from keeper.ports.prices import ChainSource


def open_chain_source(source: model.ChainSource) -> ChainSource:
    """The source, ready to be asked. Raises UnitError for what the configuration would have refused."""
    match source:
        case model.ChainlinkSource():
            return ChainlinkSource(
                source.name,
                source.address,
                unit=source.unit,
                heartbeat_ms=source.heartbeat_ms,
                bounds=source.bounds,
                read_bounds=source.bounds is None,
            )
        case model.ContractCallSource():
            return ContractCallSource(
                source.name, source.call, source.unit, result=source.index, decimals=source.decimals
            )
        case model.PythSource():
            return PythSource(
                source.name, source.address, source.price_id, unit=source.unit, max_confidence=source.max_confidence
            )
        case model.UniswapV3Source():
            return UniswapV3Source(
                source.name,
                source.pool,
                source.base,
                source.quote,
                window_s=source.window_s,
                min_liquidity=source.min_liquidity,
            )
        case model.Erc4626Source():
            return Erc4626Source(source.name, source.vault, source.asset, max_growth_per_day=source.max_growth_per_day)
        case model.SequencerUptimeSource():
            return SequencerUptimeSource(source.name, source.address, grace_ms=source.grace_ms)
