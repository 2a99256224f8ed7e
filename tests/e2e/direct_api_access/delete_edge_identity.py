import os

import requests

TOKEN = os.environ.get("API_TOKEN")
ENV_KEY = os.environ.get("ENV_KEY")
IDENTITY_UUDI = os.environ["IDENTITY_UUDI"]
BASE_URL = "https://edge.api.flagsmith.com/api/v1"

session = requests.Session()
session.headers.update(
    {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
)

delete_edge_identity_url = f"{BASE_URL}/environments/{ENV_KEY}/edge-identities/{IDENTITY_UUDI}/"
delete_edge_identity_response = session.delete(delete_edge_identity_url)
assert delete_edge_identity_response.status_code == 204
