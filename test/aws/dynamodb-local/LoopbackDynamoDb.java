import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/** DynamoDB Local on a free port of the loopback address instead of every interface; it ends with the process that started it. */
public final class LoopbackDynamoDb {
  public static void main(String[] arguments) throws Exception {
    ProcessHandle.current().parent().ifPresent(parent -> parent.onExit().thenRun(() -> System.exit(0)));
    DynamoDBProxyServer database = ServerRunner.createServerFromCommandLineArgs(new String[] {"-inMemory", "-disableTelemetry"});
    ServerConnector connector = (ServerConnector) connectorOf(database);
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    database.start();
    System.out.println("listening on http://127.0.0.1:" + connector.getLocalPort());
    database.join();
  }

  private static Connector connectorOf(DynamoDBProxyServer database) throws ReflectiveOperationException {
    Field jetty = DynamoDBProxyServer.class.getDeclaredField("server");
    jetty.setAccessible(true);
    return ((Server) jetty.get(database)).getConnectors()[0];
  }
}
