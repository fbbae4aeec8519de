-- The service tells its operators how far the newest enrolment has come.

GRANT SELECT (started_at, templates, unusable, failed) ON store.enrolment_run TO padan_service;
