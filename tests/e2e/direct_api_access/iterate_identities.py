import os

import requests

TOKEN = os.environ.get("API_TOKEN")
ENV_KEY = os.environ.get("ENV_KEY")
BASE_URL = "https://api.flagsmith.com/api/v1"
IDENTITIES_PAGE_URL = f"{BASE_URL}/environments/{ENV_KEY}/edge-identities/?page_size=20"

session = requests.Session()
session.headers.update(
    {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
)

page_of_identities = session.get(f"{IDENTITIES_PAGE_URL}")

for identity in page_of_identities.json()['results']:
    IDENTITY_UUID = identity['identity_uuid']
    IDENTITY_URL = f"{BASE_URL}/environments/{ENV_KEY}/edge-identities/{IDENTITY_UUID}/edge-featurestates/all/"
    identity_data = session.get(f"{IDENTITY_URL}")
    print(identity_data.json())
