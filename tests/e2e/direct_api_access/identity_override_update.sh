curl --request PUT 'https://api.flagsmith.com/api/v1/environments/YOUR_ENVIRONMENT_KEY/identities/1234/featurestates/200' \
  --header 'Accept: application/json' \
  --header 'Authorization: Token YOUR_ADMIN_API_KEY' \
  --data '{"enabled":true,"feature":10}'
