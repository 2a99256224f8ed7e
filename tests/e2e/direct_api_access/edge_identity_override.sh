curl --request PUT \
  --url https://api.flagsmith.com/api/v1/environments/environments/YOUR_ENVIRONMENT_KEY/edge-identities-featurestates \
  --header 'Accept: application/json' \
  --header 'Authorization: Token YOUR_ADMIN_API_KEY' \
  --header 'content-type: application/json' \
  --data '{"enabled":true,"feature":"custom_background_colour","feature_state_value":"blue", "identifier":"my_user_id"}'
