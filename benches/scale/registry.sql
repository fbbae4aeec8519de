-- The tables of a generated site, and the view over them. Portraits have a table of their own, so that many people
-- share the few portraits of the demo. In a real registry PostgreSQL stores portraits apart as well, since they are a
-- hundred times larger than the other columns.
CREATE SCHEMA civil_registry;

CREATE TABLE civil_registry.portrait (
    number smallint PRIMARY KEY,
    bytes  bytea    NOT NULL
);
ALTER TABLE civil_registry.portrait ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE civil_registry.person (
    nik                 text        NOT NULL,
    name                text        NOT NULL,
    date_of_birth       date        NOT NULL,
    status              text        NOT NULL,
    no_kk               text        NOT NULL,
    mother_maiden_name  text        NOT NULL,
    place_of_birth      text        NOT NULL,
    address             text        NOT NULL,
    gender              text        NOT NULL,
    marital_status      text        NOT NULL,
    job_type            text        NOT NULL,
    province            text        NOT NULL,
    city                text        NOT NULL,
    district            text        NOT NULL,
    subdistrict         text        NOT NULL,
    rt                  text        NOT NULL,
    rw                  text        NOT NULL,
    portrait            smallint    NOT NULL,
    portrait_updated_at timestamptz NOT NULL
);

CREATE SCHEMA padan;

CREATE VIEW padan.citizen AS
SELECT person.nik,
       person.name,
       person.date_of_birth,
       person.status,
       person.no_kk,
       person.mother_maiden_name,
       person.place_of_birth,
       person.address,
       person.gender,
       person.marital_status,
       person.job_type,
       person.province,
       person.city,
       person.district,
       person.subdistrict,
       person.rt,
       person.rw,
       portrait.bytes AS portrait,
       person.portrait_updated_at
  FROM civil_registry.person
  LEFT JOIN civil_registry.portrait ON portrait.number = person.portrait;
