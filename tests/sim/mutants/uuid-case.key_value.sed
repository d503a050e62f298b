# A uuid is compared as a text: in capitals it is another key.
s/    case LEADX_UUID: append_uuid\(out, z, n\); break;/    case LEADX_UUID: sqlite3_str_append(out, z, (int)n); break;/
