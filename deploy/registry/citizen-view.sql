-- padan.citizen over the example tables. Column names and types are the contract. Everything else depends on the site.
-- Run it as the owner of the tables, or a role that may read them: the view reads with its owner's privileges.

-- In this example the NIK is a number, which loses a leading zero. Look-ups use this expression, so it has an index.
CREATE INDEX IF NOT EXISTS biodata_nik_as_text ON kependudukan.biodata (lpad(nik::text, 16, '0'));

CREATE SCHEMA IF NOT EXISTS padan;

CREATE OR REPLACE VIEW padan.citizen AS
SELECT lpad(person.nik::text, 16, '0')          AS nik,
       -- As on the identity card. Titles may remain: they are ignored.
       person.nama_lgkp::text                   AS name,
       person.tgl_lhr                           AS date_of_birth,
       -- Only these four words are allowed. A code that is not listed becomes null, and Padan answers 503 for these
       -- people. Map such codes deliberately, or exclude the people with WHERE.
       CASE person.flag_status
           WHEN '0' THEN 'active'
           WHEN '1' THEN 'deceased'
           WHEN '2' THEN 'duplicate'
           WHEN '3' THEN 'inactive'
       END                                      AS status,
       lpad(person.no_kk::text, 16, '0')        AS no_kk,
       person.nama_ibu::text                    AS mother_maiden_name,
       person.tmpt_lhr::text                    AS place_of_birth,
       person.alamat::text                      AS address,
       CASE person.jenis_klmin
           WHEN 1 THEN 'LAKI-LAKI'
           WHEN 2 THEN 'PEREMPUAN'
       END                                      AS gender,
       CASE person.stat_kwn
           WHEN 1 THEN 'BELUM KAWIN'
           WHEN 2 THEN 'KAWIN'
           WHEN 3 THEN 'CERAI HIDUP'
           WHEN 4 THEN 'CERAI MATI'
       END                                      AS marital_status,
       person.pekerjaan::text                   AS job_type,
       region.provinsi::text                    AS province,
       region.kabupaten::text                   AS city,
       region.kecamatan::text                   AS district,
       region.kelurahan::text                   AS subdistrict,
       lpad(person.no_rt::text, 3, '0')         AS rt,
       -- For a field that the site does not have, write: NULL::text AS rw
       lpad(person.no_rw::text, 3, '0')         AS rw,
       photo.foto                               AS portrait,
       -- A timestamp without a time zone gets the time zone in which it was recorded.
       photo.tgl_rekam AT TIME ZONE 'Asia/Jakarta' AS portrait_updated_at
  FROM kependudukan.biodata AS person
  -- Left joins, so that a person without region or photo is found. Each joins at most one row.
  LEFT JOIN kependudukan.wilayah AS region ON region.kode = person.wilayah
  LEFT JOIN kependudukan.foto AS photo ON photo.nik = person.nik;

COMMENT ON VIEW padan.citizen IS 'The data of the civil registry that Padan reads: one row for each NIK.';
