"""Prints the value of the flag f each time it changes, by local evaluation with realtime updates and without polling."""

import os
import time

from flagsmith import Flagsmith

client = Flagsmith(
    environment_key=os.environ["SERVER_KEY"],
    api_url=os.environ["API_URL"],
    realtime_api_url=os.environ["REALTIME_API_URL"],
    enable_local_evaluation=True,
    environment_refresh_interval_seconds=86400,
    enable_realtime_updates=True,
)
shown = None
while True:
    value = client.get_environment_flags().get_feature_value("f")
    if value != shown:
        print(value, flush=True)
        shown = value
    time.sleep(0.05)
