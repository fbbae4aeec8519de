-- Example tables of a site. They only complete the example: do not run this file on a real registry.

CREATE SCHEMA kependudukan;

CREATE TABLE kependudukan.biodata (
    nik         bigint PRIMARY KEY,
    no_kk       bigint,
    nama_lgkp   varchar(60) NOT NULL,
    tmpt_lhr    varchar(60),
    tgl_lhr     date        NOT NULL,
    jenis_klmin smallint,
    stat_kwn    smallint,
    pekerjaan   varchar(60),
    nama_ibu    varchar(60),
    alamat      varchar(120),
    no_rt       smallint,
    no_rw       smallint,
    wilayah     char(10),
    flag_status char(1)     NOT NULL DEFAULT '0'
);

CREATE TABLE kependudukan.wilayah (
    kode      char(10) PRIMARY KEY,
    provinsi  varchar(60),
    kabupaten varchar(60),
    kecamatan varchar(60),
    kelurahan varchar(60)
);

CREATE TABLE kependudukan.foto (
    nik       bigint PRIMARY KEY REFERENCES kependudukan.biodata,
    foto      bytea       NOT NULL,
    tgl_rekam timestamp   NOT NULL
);
