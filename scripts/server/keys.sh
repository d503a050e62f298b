# Secrets of one server: API keys, tokens, certificates. Sourced by server.sh.
# shellcheck shell=bash disable=SC2034,SC2154

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# sign_token CLAIMS prints the claims as a token signed with HMAC-SHA256.
sign_token() {
  local signed
  signed=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '%s' "$1" | base64url)
  printf '%s.%s\n' "$signed" \
    "$(printf '%s' "$signed" | openssl dgst -sha256 -hmac "$secret" -binary | base64url)"
}

# key_token ROLE prints a legacy API key: a token for a role, good for ten years.
key_token() {
  local now
  now=$(date +%s)
  sign_token "{\"iss\":\"supabase\",\"ref\":\"leadx\",\"role\":\"$1\",\"iat\":$now,\"exp\":$((now + 315360000))}"
}

# user_token SUB SECONDS ROLE prints an access token as sign-in would give it,
# but for the session, since it comes from none. SECONDS may be negative.
user_token() {
  local now claims
  now=$(date +%s)
  claims="\"iss\":\"$(auth_url)\",\"aud\":\"authenticated\",\"iat\":$now,\"exp\":$((now + $2)),\"role\":\"$3\""
  [ -z "$1" ] || claims="$claims,\"sub\":\"$1\""
  sign_token "{$claims}"
}

make_keys() {
  secret=$(openssl rand -hex 32)
  publishable=sb_publishable_$(openssl rand -hex 16)
  secret_key=sb_secret_$(openssl rand -hex 16)
  anon=$(key_token anon)
  service=$(key_token service_role)
}

# A certificate authority that lives as long as the server, and one certificate.
make_certificates() {
  local keys=$live/keys
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
      -keyout "$keys/ca.key" -out "$keys/ca.pem" -subj "/CN=leadx throw-away CA" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -keyout "$keys/server.key" -out "$keys/server.csr" -subj "/CN=localhost"
    openssl x509 -req -in "$keys/server.csr" -CA "$keys/ca.pem" -CAkey "$keys/ca.key" \
      -CAcreateserial -days 30 -out "$keys/server.pem" -extfile <(
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'
      )
  } >"$live/log/openssl.log" 2>&1 || fail_start "openssl failed: $(tail -n 3 "$live/log/openssl.log")"
  give_to_server "$keys"
}
