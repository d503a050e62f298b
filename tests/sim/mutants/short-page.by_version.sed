# A page that is not full is taken for the last.
s/count > 0 && !complete/count >= pulling->limit \&\& !complete/
