import os

from requests import Session

API_URL = os.environ.get("API_URL", "https://api.flagsmith.com/api/v1")
PROJECT_ID = os.environ["PROJECT_ID"]
TOKEN = os.environ["API_TOKEN"]
FEATURE_NAME = os.environ["FEATURE_NAME"]

session = Session()
session.headers.update({"Authorization": f"Token {TOKEN}"})

create_feature_url = f"{API_URL}/projects/{PROJECT_ID}/features/"
data = {"name": FEATURE_NAME}
response = session.post(create_feature_url, json=data)
