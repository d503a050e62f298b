-- What leadx_server_sql() prints, part 2: what each table gets.

-- name: server_table
/* {{title}} */
-- The name makes it the last of the table's triggers, so that no other one sets the column behind its back.
create or replace trigger zzz_leadx_stamp before insert or update on {{table}}
  for each row execute function leadx.stamp({{version_text}}, {{name_text}});
create or replace trigger zzz_leadx_bury after delete on {{table}}
  for each row execute function leadx.bury({{name_text}});
select leadx.register({{table_text}}, {{name_text}}, {{version_text}}, array[{{keys_text}}], {{tombstones_text}}) as leadx;

-- name: server_table_rls
/* Row level security of {{title}}: only you know who may see what, so this is a beginning to be filled in. Switch it on
   together with its policies: without any, nobody reads anything. Here a row belongs to the user in owner_id; a
   team would compare with the users of the team instead, in a function that is computed once a statement.
   Afterwards run this text again: the tombstones follow the policies for reading.

     alter table {{table}} enable row level security;
     alter table {{table}} add column if not exists owner_id uuid not null default auth.uid();
     create policy own_read on {{table}} for select to authenticated using (owner_id = (select auth.uid()));
     create policy own_insert on {{table}} for insert to authenticated with check (owner_id = (select auth.uid()));
     create policy own_update on {{table}} for update to authenticated
       using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
     create policy own_delete on {{table}} for delete to authenticated using (owner_id = (select auth.uid())); */

-- The statements that leadx_check() recommends.

-- name: server_fix_rls
alter table {{table}} enable row level security; -- together with policies, see leadx_server_sql()

-- name: server_fix_grant
grant {{rights}} on {{table}} to {{role}};

-- name: server_fix_version
alter table {{table}} add column {{version}} timestamptz not null default now();
notify pgrst, 'reload schema';

-- name: server_fix_column
alter table {{table}} add column {{column}} {{type}};
notify pgrst, 'reload schema';

-- name: server_fix_default
alter table {{table}} alter column {{column}} drop not null; -- or give it a default
notify pgrst, 'reload schema';
