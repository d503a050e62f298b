-- The people the tests sign in as: two colleagues, and one outside their team.
-- Run once by the superuser, after the tables, with the psql variables id_N,
-- email_N and password_N. The cheapest hash will do for a throw-away server.

insert into auth.users (id, email, encrypted_password)
select id, email, extensions.crypt(password, extensions.gen_salt('bf', 4))
from (values
  (:'id_1'::uuid, :'email_1', :'password_1'),
  (:'id_2'::uuid, :'email_2', :'password_2'),
  (:'id_3'::uuid, :'email_3', :'password_3')
) as person (id, email, password);

insert into crm.team_members (user_id, team_id) values
  (:'id_1', '00000000-0000-4000-8000-00000000000a'),
  (:'id_2', '00000000-0000-4000-8000-00000000000a'),
  (:'id_3', '00000000-0000-4000-8000-00000000000b');
