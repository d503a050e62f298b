# A page goes over what is unsent.
s/if \(leadx_intake_is_pending\(intake, key\)\)$/if (0)/
