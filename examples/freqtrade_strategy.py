"""A freqtrade strategy that outlasts an outage: two lines in `bot_start`.

freqtrade takes an order whose answer was lost for one that failed, and buys again at the next
candle. With the guard `create_order` finds the first one and returns it. Put this into
`user_data/strategies`. Needs: pip install freqtrade 'outlast[ccxt]'
"""

from freqtrade.strategy import IStrategy
from pandas import DataFrame

import outlast


class GuardedStrategy(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "5m"
    minimal_roi = {"0": 0.02}
    stoploss = -0.05

    def bot_start(self, **_) -> None:
        if self.config["dry_run"]:
            return
        # The first one trades, the second one reads candles. freqtrade shows neither in public.
        outlast.guard(self.dp._exchange._api, journal="freqtrade.journal")
        outlast.guard(self.dp._exchange._api_async, journal=None)

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["mean"] = dataframe["close"].rolling(20).mean()
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe.loc[dataframe["close"] < 0.99 * dataframe["mean"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe.loc[dataframe["close"] > dataframe["mean"], "exit_long"] = 1
        return dataframe
