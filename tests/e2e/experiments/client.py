"""Gets the experiment's flag for two identities, sends the events once, and prints the flags and the events that were kept
to be sent again."""

import json
import os
import sys

from flagsmith import EventProcessorConfig, Flagsmith, analytics

client = Flagsmith(
    environment_key=os.environ["ENVIRONMENT_KEY"],
    api_url=os.environ["API_URL"],
    enable_events=True,
    event_processor_config=EventProcessorConfig(
        events_api_url=os.environ["EVENTS_API_URL"],
        flush_interval_seconds=86400,
    ),
)
# Only the first takes part in the experiment.
flags = [client.get_experiment_flag("checkout", identifier, {"plan": plan}) for identifier, plan in [("ada", "paid"), ("bob", "free")]]
client.track_event("order", identifier="ada", value=59.5)
processor = client._event_processor
processor.flush()
# Waits for the answer, and for what the processor does with it.
analytics.session.executor.shutdown(wait=True)
shown = [[flag.value, flag.variant, flag.experiment.id, flag.experiment.in_experiment] for flag in flags]
json.dump({"flags": shown, "kept": len(processor._buffer)}, sys.stdout)
