-- The roles of the service's own database. A database administrator runs this once.
--
-- `padan migrate` creates the first three roles itself when its user may create roles. Otherwise run these lines before
-- it.
CREATE ROLE padan_service NOLOGIN;
CREATE ROLE padan_operator NOLOGIN;
CREATE ROLE padan_auditor NOLOGIN;

-- The users of a site, one for each purpose. Set the first one in the store.url of the running service, the second one
-- for `padan keys rotate` and other operators' commands, and the third one for `padan audit export` and `padan client
-- list`. docs/security.md ("Administration") has the role of each command. Give each operator a user of their own: rows
-- of the audit trail name it. `padan doctor` reports when the service has more privileges than it needs.
--
-- They have no password and cannot log in with one until you set it: `\password padan_app` in psql asks for it and sends
-- only its hash, so that it is in no file, shell history or server log. A client certificate needs no password.
CREATE ROLE padan_app LOGIN IN ROLE padan_service;
CREATE ROLE padan_admin LOGIN IN ROLE padan_operator;
CREATE ROLE padan_revisor LOGIN IN ROLE padan_auditor;
