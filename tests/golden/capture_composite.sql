CREATE TRIGGER "leadx_order "" lines_delete" AFTER DELETE ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_4 VALUES ('it''s', '[' || '"' || OLD."order" || '"' || ',' || OLD."n" || ']', 'DELETE', ' 0 1 ', OLD."n" >= '' OR typeof(OLD."at") = 'real' OR OLD."at" NOT BETWEEN -62167219200 AND 253402300799 OR typeof(OLD."ms") = 'real' OR OLD."ms" NOT BETWEEN -62167219200000 AND 253402300799000, 15, '{"order":"', OLD."order", '","n":', OLD."n", ',"happened\"at":"', CASE typeof(OLD."at") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%SZ', OLD."at", 'unixepoch'), OLD."at") ELSE OLD."at" END, '","ms":"', CASE typeof(OLD."ms") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%S', (OLD."ms" - (OLD."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ', (OLD."ms" % 1000 + 1000) % 1000), OLD."ms") ELSE OLD."ms" END, '"}');
END;

CREATE TRIGGER "leadx_order "" lines_insert" AFTER INSERT ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_4 VALUES ('it''s', '[' || '"' || NEW."order" || '"' || ',' || NEW."n" || ']', 'CREATE', ' 0 1 ', NEW."n" >= '' OR typeof(NEW."at") = 'real' OR NEW."at" NOT BETWEEN -62167219200 AND 253402300799 OR typeof(NEW."ms") = 'real' OR NEW."ms" NOT BETWEEN -62167219200000 AND 253402300799000, 15, '{"order":"', NEW."order", '","n":', NEW."n", ',"happened\"at":"', CASE typeof(NEW."at") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%SZ', NEW."at", 'unixepoch'), NEW."at") ELSE NEW."at" END, '","ms":"', CASE typeof(NEW."ms") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%S', (NEW."ms" - (NEW."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ', (NEW."ms" % 1000 + 1000) % 1000), NEW."ms") ELSE NEW."ms" END, '"}');
END;

CREATE TRIGGER "leadx_order "" lines_update" AFTER UPDATE ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_edit_4 VALUES ('it''s', '[' || '"' || OLD."order" || '"' || ',' || OLD."n" || ']', '[' || '"' || NEW."order" || '"' || ',' || NEW."n" || ']', ' 0 1 ', OLD."order" COLLATE BINARY IS NEW."order" AND OLD."n" COLLATE BINARY IS NEW."n", 'K"order":', NEW."order", OLD."order", 'K"n":', NEW."n", OLD."n", 'v"happened\"at":', CASE typeof(NEW."at") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%SZ', NEW."at", 'unixepoch'), NEW."at") ELSE NEW."at" END, CASE typeof(OLD."at") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%SZ', OLD."at", 'unixepoch'), OLD."at") ELSE OLD."at" END, 'v"ms":', CASE typeof(NEW."ms") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%S', (NEW."ms" - (NEW."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ', (NEW."ms" % 1000 + 1000) % 1000), NEW."ms") ELSE NEW."ms" END, CASE typeof(OLD."ms") WHEN 'integer' THEN ifnull(strftime('%Y-%m-%dT%H:%M:%S', (OLD."ms" - (OLD."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ', (OLD."ms" % 1000 + 1000) % 1000), OLD."ms") ELSE OLD."ms" END);
END;
