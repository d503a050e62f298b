s/case LEADX_CLASS_DUPLICATE: return settle_duplicate\(push, job, verdict, err\);/case LEADX_CLASS_DUPLICATE: return leadx_settle_fail(push, change, verdict->code, verdict->message, err);/
