PRAGMA journal_mode = WAL;
CREATE TABLE item (
  number     TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  ean        TEXT,
  price      TEXT NOT NULL,
  stock      INTEGER NOT NULL,
  status     TEXT NOT NULL,
  is_heavy   INTEGER NOT NULL,
  sold_since TEXT,
  counted    TEXT,
  remark     TEXT
);
INSERT INTO item VALUES
  ('A-1', 'Chair', '4006381333931', '49.90', 12, 'Active', 0, '2024-02-29', '2025-03-30T01:30:00Z', 'oak'),
  ('A-2', 'Table', NULL, '199.00', 3, 'Paused', 1, NULL, NULL, 'a long remark that the shop can only show the head of, because it is wide'),
  ('A-3', 'Stool', NULL, '0.01', 0, 'Retired', 0, NULL, NULL, NULL);

-- Who writes what, as the database itself saw it; whoever it was.
CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, number TEXT NOT NULL);
CREATE TRIGGER audit_insert AFTER INSERT ON item BEGIN INSERT INTO audit(what, number) VALUES ('insert', new.number); END;
CREATE TRIGGER audit_update AFTER UPDATE ON item BEGIN INSERT INTO audit(what, number) VALUES ('update', new.number); END;
CREATE TRIGGER audit_delete AFTER DELETE ON item BEGIN INSERT INTO audit(what, number) VALUES ('delete', old.number); END;
