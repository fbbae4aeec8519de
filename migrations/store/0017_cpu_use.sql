-- The processor time that the photos of each client took, so that a site sees, and can bill, what a client costs. Each
-- process adds what it has measured, every few seconds. The rows are not part of the audit trail: no signature covers
-- them, and they stay when a client is removed.

CREATE TABLE store.cpu_use (
    client       text   NOT NULL,
    day          date   NOT NULL,
    microseconds bigint NOT NULL,
    PRIMARY KEY (client, day),
    CONSTRAINT use_is_counted CHECK (microseconds >= 0)
);

COMMENT ON TABLE store.cpu_use IS
    'Processor time of the photos of a client, by day in Asia/Jakarta: selfies, and portraits that were embedded for
     the client''s requests, whatever the answer.';
COMMENT ON COLUMN store.cpu_use.microseconds IS
    'Processor time of the worker threads. A process that is killed loses the last seconds.';

GRANT SELECT, INSERT, UPDATE ON store.cpu_use TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.cpu_use TO padan_operator;
GRANT SELECT ON store.cpu_use TO padan_auditor;
