# A row that is not here is taken for deleted by its user.
s/!stands \? note_missing\(looking->db, looking->table, key, any, err\) : rc/!stands ? enqueue(looking->db, looking->table, looking->table, key, LEADX_DELETE, err) : rc/
