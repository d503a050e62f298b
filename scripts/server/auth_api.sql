-- Sign-in as Supabase Auth does it: password and refresh_token grants, rotation
-- with reuse detection, logout, user. Run once by the superuser, after
-- roles.sql, with the psql variables jwt_secret and issuer.
--
-- The gateway calls one function a path, always with POST and the body as plain
-- text, and never passes the caller's token on as a credential: it arrives in
-- the header X-Leadx-Token and is verified here, because the answers to a bad
-- one differ from PostgREST's. The functions answer an error by setting the
-- response status instead of raising, since a raise would undo the revocation
-- that a replayed token causes.

create table auth.config (
  only_row           boolean primary key default true check (only_row),
  jwt_secret         text not null,
  issuer             text not null,
  jwt_exp_s          integer not null default 3600,
  reuse_interval_s   integer not null default 10,
  -- A client that lost the answer to its refresh may come back with the parent
  -- of the active token at any time. Off, only the interval protects it.
  allow_parent_reuse boolean not null default true
);
insert into auth.config (jwt_secret, issuer) values (:'jwt_secret', :'issuer');

create table auth.users (
  id                 uuid primary key default gen_random_uuid(),
  email              text not null unique,
  encrypted_password text not null,
  email_confirmed_at timestamptz default now(),
  last_sign_in_at    timestamptz,
  banned_until       timestamptz,
  raw_user_meta_data jsonb not null default '{}',
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now()
);

create table auth.sessions (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now()
);

create table auth.refresh_tokens (
  id         bigint generated always as identity primary key,
  session_id uuid not null references auth.sessions on delete cascade,
  token      text not null unique,
  parent     text,
  revoked    boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on auth.refresh_tokens (session_id);

create schema auth_api;
grant usage on schema auth_api to anon;

-- JSON Web Tokens ------------------------------------------------------------

create function auth.base64url(bytes bytea) returns text
language sql immutable as $$
  select translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;

create function auth.base64url_decode(data text) returns bytea
language sql immutable as $$
  select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
$$;

create function auth.jwt_signature(signed text) returns text
language sql stable as $$
  select auth.base64url(extensions.hmac(convert_to(signed, 'UTF8'), convert_to(jwt_secret, 'UTF8'), 'sha256'))
  from auth.config
$$;

create function auth.sign_jwt(claims json) returns text
language sql stable as $$
  select signed || '.' || auth.jwt_signature(signed)
  from (select auth.base64url(convert_to('{"alg":"HS256","typ":"JWT"}', 'UTF8')) || '.' ||
               auth.base64url(convert_to(json_strip_nulls(claims)::text, 'UTF8')) as signed) as parts
$$;

-- The claims of a token that this server signed and that has not expired;
-- otherwise NULL, with the reason in `why`.
create function auth.verify_jwt(token text, out claims jsonb, out why text)
language plpgsql stable as $$
declare
  part text[] := string_to_array(token, '.');
begin
  if coalesce(cardinality(part), 0) <> 3 then
    why := 'token is malformed: token contains an invalid number of segments';
    return;
  end if;
  if auth.jwt_signature(part[1] || '.' || part[2]) <> part[3] then
    why := 'token signature is invalid: signature is invalid';
    return;
  end if;
  claims := convert_from(auth.base64url_decode(part[2]), 'UTF8')::jsonb;
  if (claims ->> 'exp')::numeric < extract(epoch from now()) then
    claims := null;
    why := 'token has invalid claims: token is expired';
  end if;
exception when others then
  claims := null;
  why := 'token is malformed';
end
$$;

-- The request and its answer ---------------------------------------------------

create function auth.request_header(name text) returns text
language sql stable as $$
  select nullif(nullif(current_setting('request.headers', true), '')::json ->> name, '')
$$;

-- Sets the status and gives the body of an error; json_strip_nulls() is there
-- for the white space that it leaves out as well, here and below. A client that names the API
-- version 2024-01-01 gets the shape that came with it, any other the older one.
create function auth.refuse(status integer, code text, message text) returns json
language plpgsql as $$
begin
  perform set_config('response.status', status::text, true);
  if auth.request_header('x-supabase-api-version') >= '2024-01-01' then
    perform set_config('response.headers', '[{"X-Supabase-Api-Version":"2024-01-01"}]', true);
    return json_strip_nulls(json_build_object('code', code, 'message', message));
  end if;
  return json_strip_nulls(json_build_object('code', status, 'error_code', code, 'msg', message));
end
$$;

-- The body as an object, or NULL where it is not one.
create function auth.read_body(body text) returns jsonb
language plpgsql immutable as $$
declare
  value jsonb;
begin
  value := body::jsonb;
  return case when jsonb_typeof(value) = 'object' then value end;
exception when others then
  return null;
end
$$;

create function auth.user_json(account auth.users) returns json
language sql stable as $$
  select json_strip_nulls(json_build_object(
    'id', account.id,
    'aud', 'authenticated',
    'role', 'authenticated',
    'email', account.email,
    'email_confirmed_at', account.email_confirmed_at,
    'phone', '',
    'confirmed_at', account.email_confirmed_at,
    'last_sign_in_at', account.last_sign_in_at,
    'app_metadata', '{"provider":"email","providers":["email"]}'::json,
    'user_metadata', account.raw_user_meta_data,
    'identities', '[]'::json,
    'created_at', account.created_at,
    'updated_at', account.updated_at,
    'is_anonymous', false))
$$;

-- Granting ---------------------------------------------------------------------

create function auth.new_refresh_token(session uuid, parent text) returns text
language sql as $$
  insert into auth.refresh_tokens (session_id, token, parent)
  values (session, auth.base64url(extensions.gen_random_bytes(16)), parent)
  returning token
$$;

-- The answer to a successful sign-in or refresh.
create function auth.grant_json(account auth.users, session uuid, refresh_token text) returns json
language plpgsql stable as $$
declare
  config auth.config;
  now_s  bigint := extract(epoch from now());
begin
  select * into config from auth.config;
  return json_strip_nulls(json_build_object(
    'access_token', auth.sign_jwt(json_build_object(
      'iss', config.issuer,
      'sub', account.id,
      'aud', 'authenticated',
      'exp', now_s + config.jwt_exp_s,
      'iat', now_s,
      'email', account.email,
      'phone', '',
      'app_metadata', '{"provider":"email","providers":["email"]}'::json,
      'user_metadata', account.raw_user_meta_data,
      'role', 'authenticated',
      'aal', 'aal1',
      'amr', json_build_array(json_build_object('method', 'password', 'timestamp', now_s)),
      'session_id', session,
      'is_anonymous', false)),
    'token_type', 'bearer',
    'expires_in', config.jwt_exp_s,
    'expires_at', now_s + config.jwt_exp_s,
    'refresh_token', refresh_token,
    'user', auth.user_json(account)));
end
$$;

create function auth.password_grant(body jsonb) returns json
language plpgsql as $$
declare
  account auth.users;
  session uuid;
begin
  if coalesce(body ->> 'email', '') = '' then
    return auth.refuse(400, 'validation_failed', 'missing email or phone');
  end if;
  update auth.users set last_sign_in_at = now()
  where email = lower(body ->> 'email')
    and encrypted_password = extensions.crypt(coalesce(body ->> 'password', ''), encrypted_password)
  returning * into account;
  if account.id is null then
    return auth.refuse(400, 'invalid_credentials', 'Invalid login credentials');
  end if;
  if account.banned_until > now() then
    return auth.refuse(400, 'user_banned', 'User is banned');
  end if;
  if account.email_confirmed_at is null then
    return auth.refuse(400, 'email_not_confirmed', 'Email not confirmed');
  end if;
  insert into auth.sessions (user_id) values (account.id) returning id into session;
  return auth.grant_json(account, session, auth.new_refresh_token(session, null));
end
$$;

create function auth.refresh_grant(body jsonb) returns json
language plpgsql as $$
declare
  config  auth.config;
  used    auth.refresh_tokens;
  active  auth.refresh_tokens;
  account auth.users;
  issued  text;
begin
  if coalesce(body ->> 'refresh_token', '') = '' then
    return auth.refuse(400, 'validation_failed', 'refresh_token required');
  end if;
  select * into config from auth.config;

  -- The session's lock puts two refreshes of one session one after the other;
  -- the token is read after it, as the first of the two left it.
  perform from auth.sessions s join auth.refresh_tokens t on t.session_id = s.id
  where t.token = body ->> 'refresh_token' for update of s;
  select * into used from auth.refresh_tokens where token = body ->> 'refresh_token';
  if used.id is null then
    return auth.refuse(400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found');
  end if;
  select u.* into account from auth.users u join auth.sessions s on s.user_id = u.id
  where s.id = used.session_id;
  if account.banned_until > now() then
    return auth.refuse(400, 'user_banned', 'Invalid Refresh Token: User Banned');
  end if;

  if used.revoked then
    select * into active from auth.refresh_tokens
    where session_id = used.session_id and not revoked order by id desc limit 1;
    if config.allow_parent_reuse and active.parent = used.token then
      issued := active.token;
    elsif now() > used.updated_at + make_interval(secs => config.reuse_interval_s) then
      update auth.refresh_tokens set revoked = true, updated_at = now()
      where session_id = used.session_id and not revoked;
      return auth.refuse(400, 'refresh_token_already_used', 'Invalid Refresh Token: Already Used');
    end if;
  end if;

  if issued is null then
    update auth.refresh_tokens set revoked = true, updated_at = now()
    where session_id = used.session_id and not revoked;
    issued := auth.new_refresh_token(used.session_id, used.token);
  end if;
  return auth.grant_json(account, used.session_id, issued);
end
$$;

-- What the gateway calls ---------------------------------------------------------

create function auth_api.token(text) returns json
language plpgsql security definer set search_path = '' as $$
declare
  body jsonb := auth.read_body($1);
begin
  if body is null then
    return auth.refuse(400, 'bad_json', 'Could not parse request body as JSON');
  end if;
  case auth.request_header('x-leadx-grant')
    when 'password' then return auth.password_grant(body);
    when 'refresh_token' then return auth.refresh_grant(body);
    else return auth.refuse(400, 'invalid_credentials', 'unsupported_grant_type');
  end case;
end
$$;

-- The signed-in user and session of the request, or the refusal to send.
create function auth.caller(out account auth.users, out session uuid, out refusal json)
language plpgsql as $$
declare
  bearer text := substring(auth.request_header('x-leadx-token') from '^[Bb]earer +(\S+)$');
  token  record;
begin
  if bearer is null then
    refusal := auth.refuse(401, 'no_authorization', 'This endpoint requires a valid Bearer token');
    return;
  end if;
  select * into token from auth.verify_jwt(bearer);
  if token.claims is null then
    refusal := auth.refuse(403, 'bad_jwt', 'invalid JWT: unable to parse or verify signature, ' || token.why);
    return;
  end if;
  if token.claims ->> 'sub' is null then
    refusal := auth.refuse(403, 'bad_jwt', 'invalid claim: missing sub claim');
    return;
  end if;
  select * into account from auth.users where id::text = token.claims ->> 'sub';
  if account.id is null then
    refusal := auth.refuse(403, 'user_not_found', 'User from sub claim in JWT does not exist');
    return;
  end if;
  if token.claims ->> 'session_id' is not null then
    select id into session from auth.sessions where id::text = token.claims ->> 'session_id';
    if session is null then
      refusal := auth.refuse(403, 'session_not_found', 'Session from session_id claim in JWT does not exist');
    end if;
  end if;
end
$$;

create function auth_api.logout(text) returns json
language plpgsql security definer set search_path = '' as $$
declare
  scope  text := coalesce(auth.request_header('x-leadx-scope'), 'global');
  caller record;
begin
  select * into caller from auth.caller();
  if caller.refusal is not null then
    return caller.refusal;
  end if;
  if scope not in ('global', 'local', 'others') then
    return auth.refuse(400, 'validation_failed', format('Unsupported logout scope "%s"', scope));
  end if;
  delete from auth.sessions
  where user_id = (caller.account).id
    and case scope when 'local' then id = caller.session
                   when 'others' then id is distinct from caller.session
                   else true end;
  perform set_config('response.status', '204', true);
  return null;
end
$$;

create function auth_api.user(text) returns json
language plpgsql security definer set search_path = '' as $$
declare
  caller record;
begin
  select * into caller from auth.caller();
  return coalesce(caller.refusal, auth.user_json(caller.account));
end
$$;

revoke execute on all functions in schema auth_api from public;
grant execute on all functions in schema auth_api to anon;
