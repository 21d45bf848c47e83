--- The fields of `kong.constants` that plugins use.

return {
  HEADERS = {
    CONSUMER_ID = "X-Consumer-ID",
    CONSUMER_CUSTOM_ID = "X-Consumer-Custom-ID",
    CONSUMER_USERNAME = "X-Consumer-Username",
    CREDENTIAL_IDENTIFIER = "X-Credential-Identifier",
    ANONYMOUS = "X-Anonymous-Consumer",
    AUTHENTICATED_GROUPS = "X-Authenticated-Groups",
    VIA = "Via",
  },
}
