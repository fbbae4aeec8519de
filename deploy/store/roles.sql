-- What a database administrator does for the service's own database, once.
--
-- `padan migrate` makes the first three roles by itself where its user may create roles; elsewhere run these lines
-- before it. Change the passwords.
CREATE ROLE padan_service NOLOGIN;
CREATE ROLE padan_operator NOLOGIN;
CREATE ROLE padan_auditor NOLOGIN;

-- Users of a site's own, one for each purpose: store.url of the running service names the first one, that of somebody
-- who runs `padan keys rotate` the second, and that of whoever runs `padan audit export` or `padan client list` the third.
-- `padan doctor` says when the service runs with more than it needs.
CREATE ROLE padan_app LOGIN PASSWORD 'change me' IN ROLE padan_service;
CREATE ROLE padan_admin LOGIN PASSWORD 'change me' IN ROLE padan_operator;
CREATE ROLE padan_revisor LOGIN PASSWORD 'change me' IN ROLE padan_auditor;
