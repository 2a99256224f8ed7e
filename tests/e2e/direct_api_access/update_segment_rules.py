import os

from requests import Session

API_URL = os.environ.get("API_URL", "https://api.flagsmith.com/api/v1")
PROJECT_ID = os.environ["PROJECT_ID"]
TOKEN = os.environ["API_TOKEN"]
SEGMENT_ID = os.environ.get("SEGMENT_ID")

SEGMENT_RULES_DEFINITION = {
    "rules": [
        {
            "type": "ALL",
            "rules": [
                {
                    "type": "ANY",
                    "conditions": [
                        {
                            "operator": "EQUAL",
                            "property": "my_trait",
                            "value": "my-value",
                        }
                    ],
                }
            ],
        }
    ]
}

session = Session()
session.headers.update({"Authorization": f"Token {TOKEN}"})

update_segment_url = f"{API_URL}/projects/{PROJECT_ID}/segments/{SEGMENT_ID}/"
session.patch(update_segment_url, json=SEGMENT_RULES_DEFINITION)
