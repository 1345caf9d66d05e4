// a link such as /login#nas_… carries a key in its fragment, which browsers send to no server and no log
"use strict";

if (location.hash.startsWith("#nas_")) {
  const key = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("key").value = key;
  document.getElementById("login").submit();
}
