# Pages go on behind the last stamp: its ties are lost.
s/"=gte\."/"=gt."/
s/if \(after->key\) append_key_condition/if (after->key \&\& !after->version) append_key_condition/
