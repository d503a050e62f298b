/* The triggers of a table: their names, and the texts of those that write the queue. */
#ifndef LEADX_CAPTURE_TRIGGER_H
#define LEADX_CAPTURE_TRIGGER_H

#include "store/table.h"

enum {
  LEADX_TRIGGER_INSERT,
  LEADX_TRIGGER_UPDATE,
  LEADX_TRIGGER_REKEY, /* of format 2; there is none any more */
  LEADX_TRIGGER_DELETE,
  LEADX_TRIGGER_NOTE, /* from here on: what REPLACE takes along (rows/capture_taking.h) */
  LEADX_TRIGGER_RENOTE,
  LEADX_TRIGGER_TOOK,
  LEADX_TRIGGER_RETOOK,
  LEADX_TRIGGER_FORGET,
  LEADX_TRIGGERS
};

/* The trigger's name in sqlite3_malloc memory. */
char *leadx_capture_name(const leadx_table *table, int which);
/* INSERT, UPDATE or DELETE. */
const char *leadx_capture_event(int which);
/* The whole CREATE TRIGGER statement of one of the first four in sqlite3_malloc memory; empty for one
** that there is not any more, NULL when out of memory. */
char *leadx_capture_trigger(const leadx_table *table, int which);

#endif
