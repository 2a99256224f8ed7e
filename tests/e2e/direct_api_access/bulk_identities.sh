curl -i -X POST "https://edge.api.flagsmith.com/api/v1/bulk-identities" \
  -H "X-Environment-Key: ${FLAGSMITH_ENVIRONMENT_KEY}" \
  -H 'Content-Type: application/json' \
  -d $'{
    "data": [
      {
        "identifier": "my_identifier_1",
        "traits": [
          {
            "trait_key": "my_key_name",
            "trait_value": "set from POST /bulk-identities"
          }
        ]
      },
      {
        "identifier": "my_identifier_2",
        "traits": [
          {
            "trait_key": "some_other_key_name",
            "trait_value": "if this identity does not exist, it will be created by this request"
          }
        ]
      },
      {
        "identifier": "my_identifier_3",
        "traits": [
          {
            "trait_key": "this_trait_will_be_deleted",
            "trait_value": null
          }
        ]
      }
    ]
  }'
