PRAGMA journal_mode = WAL;

-- No unique key over sku: a row that is made twice would show.
CREATE TABLE product (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  sku          TEXT NOT NULL,
  title        TEXT NOT NULL,
  barcode      TEXT,
  price        TEXT NOT NULL,
  quantity     INTEGER NOT NULL,
  state        TEXT NOT NULL,
  freight      INTEGER NOT NULL,
  release_date TEXT,
  counted_at   TEXT,
  description  TEXT,
  search       TEXT
);
INSERT INTO product (sku, title, barcode, price, quantity, state, freight, release_date, counted_at, description, search) VALUES
  ('A-1', 'Chair, old title', NULL, '49.90', 11, 'live', 0, NULL, NULL, NULL, NULL),
  ('S-9', 'Voucher', NULL, '25.00', 100, 'live', 0, NULL, NULL, 'made in the shop', NULL);

CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, number TEXT NOT NULL);
CREATE TRIGGER audit_insert AFTER INSERT ON product BEGIN INSERT INTO audit(what, number) VALUES ('insert', new.sku); END;
CREATE TRIGGER audit_update AFTER UPDATE ON product BEGIN INSERT INTO audit(what, number) VALUES ('update', new.sku); END;
CREATE TRIGGER audit_delete AFTER DELETE ON product BEGIN INSERT INTO audit(what, number) VALUES ('delete', old.sku); END;
