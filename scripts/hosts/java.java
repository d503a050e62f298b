class Host {
  public static void main(String[] args) throws Exception {
    var config = new org.sqlite.SQLiteConfig();
    config.enableLoadExtension(true);
    try (var db = config.createConnection("jdbc:sqlite:" + System.getenv("FILE")); var stmt = db.createStatement()) {
      stmt.execute("SELECT load_extension('" + System.getenv("LEADX_SO") + "')");
      for (var sql : java.nio.file.Files.readAllLines(java.nio.file.Path.of(System.getenv("SQL"))))
        if (stmt.execute(sql)) System.out.println(stmt.getResultSet().getString(1));
    }
  }
}
