"""What proxies ask, and what they say about the requests behind them."""
