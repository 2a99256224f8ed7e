import os

import requests

TOKEN = os.environ.get("API_TOKEN")
ENV_KEY = os.environ.get("ENV_KEY")
IDENTITY_ID = os.environ["IDENTITY_ID"]
BASE_URL = "https://api.flagsmith.com/api/v1"

session = requests.Session()
session.headers.update(
    {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
)

delete_identity_url = f"{BASE_URL}/environments/{ENV_KEY}/identities/{IDENTITY_ID}/"
delete_identity_response = session.delete(delete_identity_url)
assert delete_identity_response.status_code == 204
