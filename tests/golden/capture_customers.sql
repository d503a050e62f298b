CREATE TRIGGER "leadx_customers_delete" AFTER DELETE ON "customers"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_12 VALUES ('customer', OLD."id", 'DELETE', NULL, OLD."owner_id" < '' OR OLD."revenue" >= '' OR OLD."score" >= '' OR OLD."active" >= '' OR OLD."tags" < '' OR OLD."photo" < '' OR OLD."born" < '', 42, '{"id":"', OLD."id", '","name":"', OLD."name", '","owner_id":"', nullif(OLD."owner_id" COLLATE BINARY, ''), '","revenue":', OLD."revenue", ',"price":"', OLD."price", '","score":', OLD."score", CASE +OLD."active" WHEN 1 THEN ',"active":true' WHEN 0 THEN ',"active":false' ELSE ',"active":' END, CASE WHEN +OLD."active" IN (0, 1) THEN '' ELSE OLD."active" END, ',"tags":"', OLD."tags", '","photo":"', OLD."photo", '","born":"', OLD."born", '","updated_at":"', OLD."updated_at", '","deleted_at":"', OLD."deleted_at", '"}');
END;

CREATE TRIGGER "leadx_customers_insert" AFTER INSERT ON "customers"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_12 VALUES ('customer', NEW."id", 'CREATE', NULL, NEW."owner_id" < '' OR NEW."revenue" >= '' OR NEW."score" >= '' OR NEW."active" >= '' OR NEW."tags" < '' OR NEW."photo" < '' OR NEW."born" < '', 42, '{"id":"', NEW."id", '","name":"', NEW."name", '","owner_id":"', nullif(NEW."owner_id" COLLATE BINARY, ''), '","revenue":', NEW."revenue", ',"price":"', NEW."price", '","score":', NEW."score", CASE +NEW."active" WHEN 1 THEN ',"active":true' WHEN 0 THEN ',"active":false' ELSE ',"active":' END, CASE WHEN +NEW."active" IN (0, 1) THEN '' ELSE NEW."active" END, ',"tags":"', NEW."tags", '","photo":"', NEW."photo", '","born":"', NEW."born", '","updated_at":"', NEW."updated_at", '","deleted_at":"', NEW."deleted_at", '"}');
END;

CREATE TRIGGER "leadx_customers_update" AFTER UPDATE ON "customers"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_edit_12 VALUES ('customer', OLD."id", NEW."id", NULL, NULL, 'K"id":', NEW."id", OLD."id", 'v"name":', NEW."name", OLD."name", 'v"owner_id":', nullif(NEW."owner_id" COLLATE BINARY, ''), nullif(OLD."owner_id" COLLATE BINARY, ''), 'v"revenue":', NEW."revenue", OLD."revenue", 'v"price":', NEW."price", OLD."price", 'v"score":', NEW."score", OLD."score", 'b"active":', NEW."active", OLD."active", 'v"tags":', NEW."tags", OLD."tags", 'v"photo":', NEW."photo", OLD."photo", 'v"born":', NEW."born", OLD."born", 'v"updated_at":', NEW."updated_at", OLD."updated_at", 'v"deleted_at":', NEW."deleted_at", OLD."deleted_at");
END;
